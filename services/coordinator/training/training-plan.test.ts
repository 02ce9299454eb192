import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import type { GroupScores } from '../groupwise/group-scores.ts';
import type { Group } from '../groups/group.ts';
import { createTaskBuilder } from '#recipe/build-task.ts';
import { samplingSeedOf } from '#recipe/task-ids.ts';
import type { TrainingStage } from '#stages/kit/training-fields.ts';
import { stageComposition } from '#recipe/stage-scorers.ts';
import { closeTrainingGroup } from './close-training-group.ts';
import { goldRow } from '../../../tests/fixtures/gold-item.ts';

const recipeWith = (extra: string) =>
  parseRecipe(
    `
name: test
model: { path: m }
data: { world: {} }
environment: { name: search, options: { top_k: 3 } }
stages:
  - name: one
    limits: { context_tokens: 100, max_new_tokens: 10 }
    rewards: { exact_match: 1, xml: 0.5 }
    batch: { groups: 2, group_size: 3 }
    until: { steps: 1 }
${extra}`,
    'test.yaml',
  );
const stageWith = (extra = '') => {
  const stage = recipeWith(extra).stages[0];
  if (stage?.kind !== 'rl') throw new Error('no stage');
  return stage;
};
const close = (stage: TrainingStage, group: Group, scores?: GroupScores) =>
  closeTrainingGroup({ stage, composition: stageComposition({}, stage) }, group, scores);
const row = goldRow({ question: 'What?', answers: ['that'], hops: 2 });

function settled(rewards: readonly (number | undefined)[], modelTokens = 0): Group {
  return {
    plan: { groupId: 'g', draw: 0, row, taskIds: [], seed: 0n },
    samples: rewards.map((reward, index) => ({
      taskId: `t${index}`,
      index,
      state: reward === undefined ? 'absent' : 'done',
      attempt: 0,
      firstAttempt: 0,
      askAtMs: 0,
      publishedMs: 0,
      answeredMs: 0,
      sequence: undefined,
      cancelled: false,
      result:
        reward === undefined
          ? undefined
          : create(RolloutResultSchema, {
              taskId: `t${index}`,
              components: { exact_match: reward, xml: 0 },
              modelTokens,
              trajectorySequence: BigInt(index + 1),
              truncated: index === 0,
            }),
    })),
    openedAtMs: 0,
    deadlineAtMs: 1,
    settledAtMs: 1,
    scoringSeconds: undefined,
    fate: undefined,
    hurried: false,
  };
}

describe('closing a group', () => {
  it('keeps a whole group with variance, with the advantages of its rewards', () => {
    const closed = close(stageWith(), settled([1, 0, 0]));
    expect(closed.fate).toBe(GroupFate.KEPT);
    expect(closed.samples.map((sample) => sample.advantage?.toFixed(5))).toEqual(['1.15470', '-0.57735', '-0.57735']);
    expect(closed.samples[0]).toMatchObject({ taskId: 't0', reward: 1, trajectorySequence: 1n, truncated: true });
  });

  it('sets a group without variance aside, unless dynamic sampling is off', () => {
    expect(close(stageWith(), settled([0.1, 0.1, 0.1])).fate).toBe(GroupFate.NO_VARIANCE);
    expect(close(stageWith('    algorithm: { dynamic_sampling: false }'), settled([1, 1, 1])).fate).toBe(
      GroupFate.KEPT,
    );
  });

  it('looks at one component for variance where the recipe names it', () => {
    const by = (name: string) => stageWith(`    algorithm: { dynamic_sampling_by: ${name} }`);
    expect(close(by('exact_match'), settled([1, 0, 0])).fate).toBe(GroupFate.KEPT);
    expect(close(by('xml'), settled([1, 0, 0])).fate).toBe(GroupFate.NO_VARIANCE);
    expect(() => by('exact_mach')).toThrow(
      /algorithm\.dynamic_sampling_by: is nothing that this stage records of a rollout; .* did you mean exact_match/,
    );
  });

  it('P2: leaves an absent sample out of the baseline, and gives it no reward', () => {
    const closed = close(stageWith(), settled([1, undefined, 0]));
    expect(closed.fate).toBe(GroupFate.SHRUNK);
    expect(closed.samples.map((sample) => sample.reward)).toEqual([1, undefined, 0]);
    expect(closed.samples.map((sample) => sample.advantage?.toFixed(4))).toEqual(['0.7071', '0.0000', '-0.7071']);
  });

  it('drops a group that is too small, or not whole under drop', () => {
    expect(close(stageWith(), settled([1, undefined, undefined])).fate).toBe(GroupFate.DROPPED);
    expect(close(stageWith('    groups: { on_deadline: drop }'), settled([1, 0, undefined])).fate).toBe(
      GroupFate.DROPPED,
    );
  });

  it("takes the overlong penalty off the reward, by the policy's own tokens", () => {
    const stage = stageWith('    composition: { overlong: { max_tokens: 40, buffer_tokens: 20, factor: 1 } }');
    expect(close(stage, settled([1, 0, 0], 30)).samples.map((sample) => sample.reward)).toEqual([0.5, -0.5, -0.5]);
  });
});

describe('closing a group that was scored together', () => {
  const stage = stageWith('    composition: { overlong: { max_tokens: 40, buffer_tokens: 20, factor: 1 } }');
  const compared = { ...stage, rewards: Object.assign(stage.rewards, { exact_match: 0, xml: 0, preferred: 2 }) };
  const judged = { preferred: { planned: 3, judged: 3 } };
  const scores = (...values: (number | undefined)[]): GroupScores => ({
    components: new Map(
      values.flatMap((preferred, index) => (preferred === undefined ? [] : [[`t${index}`, { preferred }] as const])),
    ),
    judged,
    missing: [],
    seconds: 1,
  });

  it('composes the reward of what the group gave, then shapes it, then takes advantages', () => {
    const closed = close(compared, settled([1, 1, 1], 30), scores(0, 0.5, 1));
    expect(closed.fate).toBe(GroupFate.KEPT);
    expect(closed.samples.map(({ reward }) => reward)).toEqual([-0.5, 0.5, 1.5]);
    expect(closed.samples.map(({ components }) => components)).toEqual([0, 0.5, 1].map((preferred) => ({ preferred })));
    expect(closed.samples.map(({ advantage }) => advantage?.toFixed(3))).toEqual(['-1.000', '0.000', '1.000']);
    expect(closed.judged).toEqual(judged);
  });

  it('sets it aside when nobody is better than another', () => {
    expect(close(compared, settled([1, 0, 0]), scores(0.5, 0.5, 0.5)).fate).toBe(GroupFate.NO_VARIANCE);
  });

  it('P2: a sample without its score is absent, whatever its own reward was', () => {
    const closed = close(compared, settled([1, 1, 1]), scores(0.25, undefined, 0.75));
    expect(closed.fate).toBe(GroupFate.SHRUNK);
    expect(closed.samples.map(({ reward, cancelled }) => [reward, cancelled])).toEqual([
      [0.5, false],
      [undefined, false],
      [1.5, false],
    ]);
    expect(close(compared, settled([1, 0, 1]), scores()).fate).toBe(GroupFate.DROPPED);
  });

  it('P2: a group that nobody compared is absent as a whole, so that the rollouts which gates decide are not all that it has', () => {
    const composition = { normalize: false, penalties: {}, gates: [{ name: 'format', at_least: 1, otherwise: 0 }] };
    const gated = { ...compared, composition };
    const group = settled([1, 1, 1]);
    const [good, ...bad] = group.samples.map(({ result }) => result);
    if (good !== undefined) good.components = { format: 1 };
    for (const result of bad) if (result !== undefined) result.components = { format: 0 };
    const rewardsOf = (given: GroupScores) => close(gated, group, given).samples.map(({ reward }) => reward);
    expect(rewardsOf(scores())).toEqual([undefined, undefined, undefined]);
    expect(rewardsOf(scores(0.5, undefined, undefined))).toEqual([1, 0, 0]);
    // Without a rollout that had to be compared nothing is missing.
    if (good !== undefined) good.components = { format: 0 };
    expect(rewardsOf(scores())).toEqual([0, 0, 0]);
  });

  it('P2: one sample alone is given up and no failure', () => {
    const closed = close(compared, settled([undefined, 1, undefined]), scores());
    expect(closed.fate).toBe(GroupFate.DROPPED);
    expect(closed.samples.map(({ reward, cancelled }) => [reward, cancelled])).toEqual([
      [undefined, false],
      [undefined, true],
      [undefined, false],
    ]);
  });
});

describe('a task', () => {
  const recipe = recipeWith('');
  const [stage] = recipe.stages;
  const parts = {
    runId: 'r',
    taskId: '1'.padEnd(64, '0'),
    groupId: 'g',
    groupSeed: 1n,
    sampleIndex: 2,
    attempt: 1,
    row,
    purpose: Purpose.TRAIN,
  };

  it('carries limits, weights, options and a seed of its own', () => {
    if (stage?.kind !== 'rl') throw new Error('no stage');
    const task = createTaskBuilder(recipe, stage)({ ...parts, mode: 'train' });
    expect(task).toMatchObject({ stage: 'one', environment: 'search', sampleIndex: 2, attempt: 1 });
    expect(task.limits).toMatchObject({
      contextTokens: 100,
      maxTurns: 10,
      toolTimeoutMs: 5000,
      turnTimeoutMs: 30_000,
      rolloutTimeoutMs: 120_000,
    });
    expect(task.sampling).toEqual({ temperature: 1, topP: 1, topK: 0, maxNewTokens: 10, seed: samplingSeedOf(1n, 2) });
    expect(createTaskBuilder(recipe, stage)({ ...parts, attempt: 2, mode: 'train' }).sampling).toEqual(task.sampling);
    expect(task.scorers).toContainEqual(
      expect.objectContaining({ name: 'xml', settingsJson: '', recordedOnly: false }),
    );
    expect(task.scorers).toContainEqual(
      expect.objectContaining({ name: 'format', settingsJson: '', recordedOnly: true }),
    );
    expect(task.composition).toMatchObject({
      weights: [
        { name: 'exact_match', weight: 1 },
        { name: 'xml', weight: 0.5 },
      ],
    });
    expect(JSON.parse(task.environmentOptionsJson ?? '')).toMatchObject({
      prompt_template: '{question}',
      chat: false,
      top_k: 3,
      preview_characters: 150,
      max_document_characters: 20_000,
      codec: 'xml',
      max_violations: 2,
    });
  });

  it('is drawn at temperature 1 or greedily in an evaluation, whatever training does', () => {
    if (stage?.kind !== 'rl') throw new Error('no stage');
    const hot = { ...stage, sampling: { temperature: 1.5, top_p: 0.9, top_k: 5 } };
    expect(createTaskBuilder(recipe, hot)({ ...parts, mode: 'sampled' }).sampling).toMatchObject({
      temperature: 1,
      topP: 1,
      topK: 0,
    });
    expect(createTaskBuilder(recipe, hot)({ ...parts, mode: 'greedy' }).sampling).toMatchObject({ temperature: 0 });
    expect(createTaskBuilder(recipe, hot)({ ...parts, mode: 'train' }).sampling).toMatchObject({
      temperature: 1.5,
      topP: 0.9,
      topK: 5,
    });
  });
});
