/** Agents of other frameworks, unmodified: each has its own loop, and knows nothing of Gradus but a base URL and a key. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { concatenateTokens } from '#trajectory/segments.ts';
import { tokenizerPath, useRolloutFleet } from '../rollout/fleet.ts';
import { agentTask, modelWithTemplate } from './agents.ts';

const startFleet = useRolloutFleet();
const clients = join(import.meta.dirname, 'clients');
const turns = [
  '<tool_call>{"name": "birthplace", "arguments": {"of":   "Halvard Brontley"}}</tool_call>',
  'Verland Coast',
];

test("P4: agents of the AI SDK, the OpenAI Agents SDK and Anthropic's client are trained on the tokens that were sampled", async () => {
  const fleet = await startFleet({ script: ({ turn }) => turns[turn] ?? '', tokenizer: await modelWithTemplate() });
  const { encode } = await loadTokenizer(tokenizerPath);
  for (const client of ['ai-sdk', 'openai-agents', 'anthropic']) {
    const command = [process.execPath, join(clients, `${client}.mjs`)];
    const limits = {
      contextTokens: 512,
      maxTurns: 6,
      toolTimeoutMs: 50_000,
      turnTimeoutMs: 60_000,
      rolloutTimeoutMs: 240_000,
    };
    await fleet.publish(agentTask(client, { command, directory: repositoryRoot }, { limits }));
    const result = await fleet.resultOf(client, 200_000);
    expect(result, client).toMatchObject({
      failureDetail: '',
      failure: FailureClass.UNSPECIFIED,
      prediction: 'Verland Coast',
      reward: 1,
    });
    const trajectory = await fleet.trajectoryOf(result);
    checkTrajectory(trajectory);
    expect(trajectory.segments.map(({ kind }) => kind)).toEqual([
      SegmentKind.PROMPT,
      SegmentKind.MODEL,
      SegmentKind.ENVIRONMENT,
      SegmentKind.MODEL,
    ]);
    expect(trajectory.segments[2]?.text).toBe('<|end|>\ntool: Ostwick Marrow, Verland Coast<|end|>\nassistant: ');
    const asked = fleet.engine.generated.findLast(({ sessionId }) => sessionId === client)?.request.tokenIds ?? [];
    expect(concatenateTokens(trajectory.segments)).toEqual([...asked, ...encode(turns[1] ?? '')]);
  }
});
