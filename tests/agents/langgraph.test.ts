/** LangGraph's ReAct agent, unmodified, over the search that Gradus serves by MCP. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryRoot } from '#platform/repository.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { startHttpApi } from '../retrieval/http-api.ts';
import { useRolloutFleet } from '../rollout/fleet.ts';
import { pages } from '../rollout/task.ts';
import { agentTask, expectTrainedAsSampled, modelWithTemplate } from './agents.ts';

const startFleet = useRolloutFleet();

test('P4: an agent of LangGraph that searches is trained on the tokens that were sampled', async () => {
  const turns = [
    '<tool_call>{"name": "websearch", "arguments": {"query":   "Halvard Brontley"}}</tool_call>',
    '<tool_call>{"name": "scrape", "arguments": {"id":   "1733"}}</tool_call>',
    'Verland Coast',
  ];
  const maxContextTokens = 4096;
  const fleet = await startFleet({
    script: ({ turn }) => turns[turn] ?? '',
    tokenizer: await modelWithTemplate(),
    maxContextTokens,
  });
  const { url } = await startHttpApi({ pages });
  const command = [process.execPath, join(import.meta.dirname, 'clients/langgraph.mjs'), `${url}/mcp`];
  const limits = {
    contextTokens: maxContextTokens,
    maxTurns: 6,
    toolTimeoutMs: 50_000,
    turnTimeoutMs: 60_000,
    rolloutTimeoutMs: 240_000,
  };
  await fleet.publish(agentTask('langgraph', { command, directory: repositoryRoot }, { limits }));
  const result = await fleet.resultOf('langgraph', 200_000);
  expect(result).toMatchObject({
    failureDetail: '',
    failure: FailureClass.UNSPECIFIED,
    prediction: 'Verland Coast',
    reward: 1,
    turns: 3,
    toolCalls: 2,
    environmentMetrics: { conversations: 1 },
  });
  const trajectory = await fleet.trajectoryOf(result);
  expectTrainedAsSampled(trajectory, fleet.engine);
  expect(trajectory.segments[2]?.text).toContain('Halvard Brontley was born in Ostwick Marrow.');
  expect(trajectory.segments[4]?.text).toContain('Ostwick Marrow is a town in Verland Coast.');
});
