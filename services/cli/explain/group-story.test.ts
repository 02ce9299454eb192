import { create, type MessageInitShape } from '@bufbuild/protobuf';
import pc from 'picocolors';
import { describe, expect, test } from 'vitest';
import { GroupFate, LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { resolveRecipe, resolvedRecipeJson } from '#recipe/resolve-recipe.ts';
import { groupStory } from '#run/group-story.ts';
import { renderExplanation } from './render-explanation.ts';

const recipe = parseRecipe(
  `
name: test
seed: 3
model: { path: model }
data: { files: { train: train.jsonl, held_out: held-out.jsonl, corpus: corpus.jsonl } }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 288, max_new_tokens: 48 }
    rewards: { exact_match: 1 }
    batch: { groups: 1, group_size: 4 }
    until: { steps: 2 }
`,
  'test.yaml',
);
const paths = { model: '/m', train: '/t', held_out: '/h', corpus: '/c' };
const recipeJson = resolvedRecipeJson(resolveRecipe(recipe, 'test.yaml', paths));

type Fact = NonNullable<MessageInitShape<typeof LedgerEntrySchema>['fact']>;
const entriesOf = (...facts: Fact[]) => facts.map((fact) => create(LedgerEntrySchema, { fact }));
const started: Fact = { case: 'runStarted', value: { recipeJson } };
const opened: Fact = {
  case: 'groupOpened',
  value: { groupId: 'g', stage: 'one', step: 1, purpose: Purpose.TRAIN, taskIds: ['a', 'b', 'c', 'd'] },
};
const closed = (fate: GroupFate): Fact => ({
  case: 'groupClosed',
  value: {
    groupId: 'g',
    fate,
    samples: [
      { taskId: 'a', reward: 0.5, advantage: -0.5, trajectorySequence: 7n },
      { taskId: 'b', reward: 1, advantage: 0.5 },
      { taskId: 'c', cancelled: true },
      { taskId: 'd', reward: 1, advantage: 0.5 },
    ],
  },
});
const result = create(RolloutResultSchema, {
  runId: 'run-a',
  taskId: 'a',
  groupId: 'g',
  stage: 'one',
  purpose: Purpose.TRAIN,
  components: { exact_match: 1 },
  modelTokens: 75,
  trajectorySequence: 7n,
});
const colours = pc.createColors(false);
/** What is said of the group: the lines behind those of the rollout. */
const reported = (...facts: Fact[]): string[] =>
  renderExplanation({ result, scored: undefined, group: groupStory(entriesOf(...facts), result) }, colours)
    .slice(5)
    .filter((line) => line !== '');

describe('the story of a group', () => {
  test('ends with the advantage and the step that trained on it', () => {
    const formed: Fact = { case: 'stepFormed', value: { step: 5n, samples: [{ taskId: 'a' }] } };
    const committed: Fact = { case: 'stepCommitted', value: { step: 5n, version: 6n } };
    const lines = reported(started, opened, closed(GroupFate.KEPT), formed, committed);
    expect(lines.filter((line) => !/[│┌└├]/.test(line))).toEqual([
      'group g, step 2 of one: kept',
      'mean 0.833333, standard deviation 0.288675',
      'advantage -0.5 (grpo: (reward - mean) / (deviation + 1e-6))',
      'trained on in step 5, which made version 6',
    ]);
    const ranks = lines.filter((line) => line.startsWith('│')).map((line) => line.replaceAll(/[│\s]+/g, ' ').trim());
    expect(ranks).toEqual([
      'rank rollout sample reward advantage',
      '1 b 1 1 0.5',
      '1 d 3 1 0.5',
      '3 a <- 0 0.5 -0.5',
      'c 2 given up',
    ]);
  });

  test('says what was not trained on, and what is not known yet', () => {
    expect(reported(started, opened)).toEqual(['group g of 4 is still open']);
    expect(reported(started)).toEqual([]);
    const aside = reported(started, opened, closed(GroupFate.NO_VARIANCE));
    expect(aside[0]).toBe('group g, step 2 of one: set aside, its rewards do not vary');
    expect(aside.slice(-2)).toEqual(['advantage 0: the group trains nothing', 'no batch holds it']);
    const formed: Fact = { case: 'stepFormed', value: { step: 5n, samples: [{ taskId: 'a' }] } };
    expect(reported(started, opened, closed(GroupFate.KEPT), formed).at(-1)).toBe(
      'trained on in step 5, not committed yet',
    );
  });

  test('has the reward that the group counted, and flags another result of the task', () => {
    const entries = entriesOf(started, opened, closed(GroupFate.KEPT));
    const own = (other: object) =>
      groupStory(entries, create(RolloutResultSchema, { ...result, ...other }))?.closed?.own;
    expect(own({})).toEqual({ components: {}, reward: 0.5, counted: true });
    expect(own({ trajectorySequence: 9n })).toMatchObject({ reward: 0.5, counted: false });
  });

  test('says of an evaluation that it was counted', () => {
    const asked: Fact = {
      case: 'groupOpened',
      value: { groupId: 'g', stage: 'one', purpose: Purpose.EVAL, evaluation: 'after', taskIds: ['a'] },
    };
    const counted: Fact = {
      case: 'groupClosed',
      value: { groupId: 'g', fate: GroupFate.EVALUATED, samples: [{ taskId: 'a', reward: 1, trajectorySequence: 7n }] },
    };
    expect(reported(started, asked, counted)).toEqual(['group g: counted for an evaluation (after)']);
    expect(groupStory(entriesOf(started, asked, counted), result)?.closed?.own).toMatchObject({
      reward: 1,
      counted: true,
    });
  });
});

test('of a rollout with roles it has reward and advantage of each, among the samples in which the role has spoken', () => {
  const part = (role: string, reward: number, advantage: number, trained = true) => ({
    role,
    reward,
    advantage,
    trained,
  });
  const samples = [
    {
      taskId: 'a',
      reward: 1,
      trajectorySequence: 7n,
      roles: [part('proposer', 0.5, 0, false), part('solver', 1, 0.75)],
    },
    { taskId: 'b', reward: 0, roles: [part('proposer', 0.5, 0, false), part('solver', 0, -0.75)] },
    { taskId: 'c', reward: 0, roles: [part('proposer', 0.5, 0, false)] },
  ];
  const fact: Fact = { case: 'groupClosed', value: { groupId: 'g', fate: GroupFate.KEPT, samples } };
  const group = groupStory(entriesOf(started, opened, fact), result);
  const lines = renderExplanation({ result, scored: undefined, group }, pc.createColors(false)).join('\n');
  expect(lines).toContain('role solver: reward 1; mean 0.5, standard deviation 0.707107 of 2; advantage 0.75 (grpo');
  expect(lines).toContain('role proposer: reward 0.5; mean 0.5, standard deviation 0 of 3; not trained on');
  expect(lines).not.toContain('advantage 0 (');
});
