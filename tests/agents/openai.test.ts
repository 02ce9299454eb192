/** Plays what docs/how-to/agents.md says, from its own code blocks. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { agentOptions } from '#environments/agent/options.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { concatenateTokens } from '#trajectory/segments.ts';
import { tokenizerPath, useRolloutFleet } from '../rollout/fleet.ts';
import { agentFolder, agentTask, modelWithTemplate } from './agents.ts';

const startFleet = useRolloutFleet();
const page = await readFile(join(repositoryRoot, 'docs/how-to/agents.md'), 'utf8');
const blocks = Object.fromEntries(
  [...page.matchAll(/^```\w+ file=(\S+)\n(.*?)^```$/gms)].map(([, name = '', text = '']) => [name, text]),
);
const streaming = (blocks['agent.mjs'] ?? '').replace(
  /const { choices } = await client\.chat\.completions\.create\((.*)\);/,
  'const { choices } = await client.chat.completions.stream($1).finalChatCompletion();',
);

const turns = [
  'I look. <tool_call>{"name": "birthplace", "arguments": {"of":   "Halvard Brontley"}}</tool_call>',
  'Verland Coast',
];

test.each([
  ['whole', blocks['agent.mjs'] ?? ''],
  ['in a stream', streaming],
])(
  "P4: an agent with OpenAI's client, unchanged, that reads turns %s is trained on the tokens that were sampled",
  async (_how, agent) => {
    const folder = await agentFolder({ ...blocks, 'agent.mjs': agent });
    const { environment } = parseRecipe(blocks['recipe.yaml'] ?? '', join(folder, 'recipe.yaml'));
    const options = agentOptions.parse(environment.options);
    const fleet = await startFleet({ script: ({ turn }) => turns[turn] ?? '', tokenizer: await modelWithTemplate() });
    await fleet.publish(
      agentTask('openai', { ...options, directory: folder, command: [process.execPath, 'agent.mjs'], stop: ['</a>'] }),
    );
    const result = await fleet.resultOf('openai');
    expect(result).toMatchObject({
      failure: FailureClass.UNSPECIFIED,
      prediction: 'Verland Coast',
      reward: 1,
      components: { exact_match: 1, brevity: 0.2 },
      turns: 2,
      toolCalls: 1,
    });
    const trajectory = await fleet.trajectoryOf(result);
    checkTrajectory(trajectory);
    const question = 'What is the country of the birthplace of Halvard Brontley?';
    expect(trajectory.segments.map(({ kind, text }) => [kind, text])).toEqual([
      [
        SegmentKind.PROMPT,
        `tool: birthplace<|end|>\nsystem: Use the tool.<|end|>\nuser: ${question}<|end|>\nassistant: `,
      ],
      [SegmentKind.MODEL, turns[0]],
      [SegmentKind.ENVIRONMENT, '<|end|>\ntool: Ostwick Marrow, Verland Coast<|end|>\nassistant: '],
      [SegmentKind.MODEL, turns[1]],
    ]);
    // What the engine was asked last, and what it wrote then.
    const { encode } = await loadTokenizer(tokenizerPath);
    const { tokenIds = [], sampling } = fleet.engine.generated.at(-1)?.request ?? {};
    expect(concatenateTokens(trajectory.segments)).toEqual([...tokenIds, ...encode(turns[1] ?? '')]);
    expect(sampling?.stop).toEqual(['</a>']);
  },
);
