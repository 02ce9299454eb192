import { expect, it } from 'vitest';
import { create } from '@bufbuild/protobuf';
import { Purpose, RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { missingFor } from '#rewards/missing-for.ts';
import { createTaskBuilder } from './build-task.ts';
import { parseRecipe } from './parse-recipe.ts';
import { recipeHash } from './resolve-recipe.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import { customScorers, groupwiseScorers, judgedScorers } from './stage-scorers.ts';
import { goldRow } from '../../tests/fixtures/gold-item.ts';

const text = `
name: judged
model: { path: ./m }
data: { world: {} }
judges: { main: { base_url: http://127.0.0.1:1/v1, model: m, api_key_env: KEY } }
scorers:
  correct: { kind: grade, judge: main, not_attempted: 0.25 }
  prose: { kind: rubric, judge: main, criteria: { brief: { about: 'Short.', weight: 2 }, kind: { about: 'Kind.' } } }
  preferred: { kind: pairwise, judge: main }
  house: { kind: typescript, path: ./house.ts }
environment: { name: search }
stages:
  - name: alone
    limits: { context_tokens: 288, max_new_tokens: 48 }
    rewards: { exact_match: 1, retry: 0.5, correct: 2, prose: 0, house: { weight: 0.5, b: [3], a: x } }
    composition:
      normalize: true
      penalties: { candidate_list: 0.5 }
      gates: [{ name: format, at_least: 1 }]
      clip: { high: 1 }
    until: { steps: 3 }
  - name: together
    limits: { context_tokens: 288, max_new_tokens: 48 }
    rewards: { exact_match: 1, preferred: 2 }
    composition: { normalize: true }
    until: { steps: 3 }
`;

const recipe = parseRecipe(text, 'r.yaml');
const [alone, together] = recipe.stages;
if (alone?.kind !== 'rl' || together?.kind !== 'rl') throw new Error('two stages');

const taskOf = (stage: RolloutStage, purpose: Purpose = Purpose.TRAIN) =>
  createTaskBuilder(
    recipe,
    stage,
  )({
    runId: 'run',
    taskId: '00000000000000aa',
    groupSeed: 1n,
    groupId: 'group',
    sampleIndex: 0,
    attempt: 0,
    row: goldRow({ question: 'Who?', answers: ['she'] }),
    purpose,
    mode: 'train',
  });

function stageWith(composition: string, rewards: string): RolloutStage {
  const [, stage] = parseRecipe(
    text
      .replace('composition: { normalize: true }', `composition: ${composition}`)
      .replace('{ exact_match: 1, preferred: 2 }', rewards),
    'r.yaml',
  ).stages;
  if (stage?.kind !== 'rl') throw new Error('two stages');
  return stage;
}

it('sends custom scorers with their settings among the scorers, judged ones next to them, and the composition', () => {
  const task = taskOf(alone);
  expect(task.scorers?.filter(({ recordedOnly }) => recordedOnly === false)).toMatchObject([
    { name: 'exact_match', settingsJson: '', recordedOnly: false },
    { name: 'retry', settingsJson: '{"base":0.2,"most":5,"step":0.15}', recordedOnly: false },
    { name: 'house', settingsJson: '{"a":"x","b":[3]}', recordedOnly: false },
  ]);
  expect(task.scorers).toContainEqual(expect.objectContaining({ name: 'xml', recordedOnly: true }));
  expect(task.judged).toMatchObject([
    { name: 'correct', judge: 'main', method: { case: 'grade', value: { notAttempted: 0.25 } } },
    {
      name: 'prose',
      judge: 'main',
      method: {
        case: 'rubric',
        value: {
          criteria: [
            { name: 'brief', description: 'Short.', weight: 2 },
            { name: 'kind', description: 'Kind.', weight: 1 },
          ],
        },
      },
    },
  ]);
  expect(task.composition).toMatchObject({
    weights: [
      { name: 'exact_match', weight: 1 },
      { name: 'retry', weight: 0.5 },
      { name: 'correct', weight: 2 },
      { name: 'house', weight: 0.5 },
    ],
    normalize: true,
    penalties: [{ name: 'candidate_list', size: 0.5 }],
    gates: [{ name: 'format', atLeast: 1, otherwise: 0 }],
    clipHigh: 1,
    groupwise: [],
  });
});

it('carries the one composition: the same in training and evaluation, groupwise components marked as such', () => {
  const task = taskOf(together);
  expect(task.scorers?.map(({ name }) => name)).not.toContain('preferred');
  expect(task.judged).toEqual([]);
  expect(task.composition).toMatchObject({
    weights: [
      { name: 'exact_match', weight: 1 },
      { name: 'preferred', weight: 2 },
    ],
    normalize: true,
    groupwise: ['preferred'],
  });
  expect(groupwiseScorers(recipe, together)).toMatchObject([
    { name: 'preferred', weight: 2, scorer: { schedule: 'all_pairs' } },
  ]);
  for (const stage of [alone, together])
    expect(taskOf(stage, Purpose.EVAL).composition).toEqual(taskOf(stage).composition);
  expect(taskOf(alone, Purpose.EVAL)).toMatchObject({ judged: [{ name: 'correct' }, { name: 'prose' }] });
});

it('has the overlong penalty, by default at the context limit', () => {
  const overlong = (settings: string) =>
    taskOf(stageWith(`{ overlong: ${settings} }`, '{ exact_match: 1 }')).composition?.overlong;
  expect(overlong('{ buffer_tokens: 50 }')).toMatchObject({ maxTokens: 288, bufferTokens: 50, factor: 1 });
  expect(overlong('{ max_tokens: 100, buffer_tokens: 50, factor: 0.5 }')).toMatchObject({
    maxTokens: 100,
    factor: 0.5,
  });
});

it('P2: a worker knows what the coordinator will read next to the weights: without it there is no result to compose', () => {
  const stage = stageWith(
    '{ penalties: { house: 1, giant_answer: 1 }, gates: [{ name: correct, at_least: 0.5 }, { name: preferred, at_least: 0.1 }] }',
    '{ exact_match: 1, preferred: 2, correct: 0, prose: 0, house: 0 }',
  );
  const missing = (components: Readonly<Record<string, number>>) => {
    const { composition } = create(RolloutTaskSchema, taskOf(stage));
    if (composition === undefined) throw new Error('no composition');
    return missingFor(composition, { components, detectors: {}, absent: {} }).map(({ name }) => name);
  };
  expect(missing({ exact_match: 1, house: 1 })).toEqual(['correct']);
  expect(missing({ exact_match: 1, correct: 1 })).toEqual(['house']);
  // Nothing reads prose, a gate that does not hold needs no more, and the comparison comes later.
  expect(missing({ exact_match: 1, correct: 0 })).toEqual([]);
  expect(missing({ exact_match: 1, correct: 1, house: 1 })).toEqual([]);
});

it('reports the declared scorers of a stage by kind', () => {
  expect(judgedScorers(recipe, alone).map(({ name }) => name)).toEqual(['correct', 'prose']);
  expect(customScorers(recipe, alone).map(({ name }) => name)).toEqual(['house']);
  expect(groupwiseScorers(recipe, alone)).toEqual([]);
});

it('P8: a weight alone and a weight in braces are the same recipe; judges are no part of it', () => {
  expect(recipeHash(parseRecipe(text.replace('correct: 2', 'correct: { weight: 2 }'), 'r.yaml'))).toBe(
    recipeHash(recipe),
  );
  expect(recipeHash(parseRecipe(text.replace('model: m,', 'model: other,'), 'r.yaml'))).toBe(recipeHash(recipe));
  expect(recipeHash(parseRecipe(text.replace('./house.ts', './other.ts'), 'r.yaml'))).not.toBe(recipeHash(recipe));
});
