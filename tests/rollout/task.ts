import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Purpose, RolloutTaskSchema, type RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import type { ScriptedAnswer, ScriptedRequest } from '../fakes/scripted-engine.ts';
import { goldRow } from '../fixtures/gold-item.ts';

export const runId = 'run-1';

export const pages = [
  { id: '0042', title: 'Halvard Brontley', text: 'Halvard Brontley was born in Ostwick Marrow.' },
  { id: '1733', title: 'Ostwick Marrow', text: 'Ostwick Marrow is a town in Verland Coast.' },
  {
    id: '0007',
    title: 'Talmere Foundry',
    text: `Talmere Foundry was founded by Edric Vandermoor. ${'It employs 250 people. '.repeat(80)}`,
  },
];

/** What the policy writes in each turn to answer the question of `taskOf` from `pages`. */
export const chain = [
  '<tool>{"name": "websearch", "args": {"query": "Halvard Brontley"}}</tool>',
  '<tool>{"name": "scrape", "args": {"id": "1733"}}</tool>',
  '<answer> Verland Coast </answer>',
];
export const slowChain =
  (delayMs: number) =>
  ({ turn }: ScriptedRequest): ScriptedAnswer => ({ text: chain[turn] ?? '', delayMs });

/** Fields that a test changes; those it leaves out stay as they are. */
export type TaskOverrides = Pick<
  Exclude<MessageInitShape<typeof RolloutTaskSchema>, RolloutTask>,
  | 'environment'
  | 'sampling'
  | 'limits'
  | 'scorers'
  | 'judged'
  | 'composition'
  | 'attempt'
  | 'purpose'
  | 'environmentOptionsJson'
  | 'row'
>;

/** What the tasks of these tests ask. */
export const brontley = {
  id: 'q1',
  question: 'What is the country of the birthplace of Halvard Brontley?',
  answers: ['Verland Coast', 'the Coast'],
  hops: 2,
};

export function taskOf(taskId: string, overrides: TaskOverrides = {}): RolloutTask {
  return create(RolloutTaskSchema, {
    runId,
    taskId,
    groupId: `group-of-${taskId}`,
    stage: 'tool-use',
    purpose: Purpose.TRAIN,
    environment: 'search',
    row: goldRow(brontley),
    sampling: { temperature: 1, maxNewTokens: 64, seed: 11n },
    limits: {
      contextTokens: 512,
      maxTurns: 6,
      toolTimeoutMs: 30_000,
      turnTimeoutMs: 60_000,
      rolloutTimeoutMs: 120_000,
    },
    scorers: [{ name: 'exact_match' }, { name: 'tool_success' }],
    composition: {
      weights: [
        { name: 'exact_match', weight: 1 },
        { name: 'tool_success', weight: 0.5 },
      ],
    },
    environmentOptionsJson: JSON.stringify({ top_k: 2 }),
    ...overrides,
  });
}
