import { expect, it } from 'vitest';
import { create } from '@bufbuild/protobuf';
import { Purpose, QuestionSchema } from '#proto/rollout/v1/task_pb.ts';
import { composeTotal } from '../rewards/compose.ts';
import { buildTask } from './build-task.ts';
import { parseRecipe } from './parse-recipe.ts';
import { recipeHash } from './resolve-recipe.ts';
import {
  customScorers,
  groupwiseScorers,
  judgedScorers,
  taskComposition,
  weightedScorers,
  wireComposition,
} from './stage-scorers.ts';

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
if (alone === undefined || together === undefined) throw new Error('two stages');

const taskOf = (stage: typeof alone, purpose: Purpose = Purpose.TRAIN) =>
  buildTask(recipe, {
    runId: 'run',
    taskId: '00000000000000aa',
    groupId: 'group',
    sampleIndex: 0,
    attempt: 0,
    question: create(QuestionSchema, { id: 'q', question: 'Who?', answers: ['she'] }),
    stage,
    purpose,
    mode: 'train',
  });

it('sends custom scorers with their settings among the rewards, judged ones beside them, and the composition', () => {
  const task = taskOf(alone);
  expect(task.rewards?.filter(({ weight }) => (weight ?? 0) > 0)).toEqual([
    { name: 'exact_match', weight: 1, settingsJson: '' },
    { name: 'retry', weight: 0.5, settingsJson: '{"base":0.2,"most":5,"step":0.15}' },
    { name: 'house', weight: 0.5, settingsJson: '{"a":"x","b":[3]}' },
  ]);
  expect(task.judged).toEqual([
    { name: 'correct', judge: 'main', weight: 2, method: { case: 'grade', value: { notAttempted: 0.25 } } },
    {
      name: 'prose',
      judge: 'main',
      weight: 0,
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
  expect(task.composition).toEqual({
    normalize: true,
    penalties: [{ name: 'candidate_list', size: 0.5 }],
    gates: [{ name: 'format', atLeast: 1, otherwise: 0 }],
    clipHigh: 1,
  });
});

it('keeps groupwise scorers and the composition that needs them out of tasks', () => {
  const task = taskOf(together);
  expect(task.rewards?.map(({ name }) => name)).not.toContain('preferred');
  expect(task.judged).toEqual([]);
  expect(task).not.toHaveProperty('composition');
  expect(taskComposition(recipe, together)).toBeUndefined();
  expect(wireComposition(together)).toEqual({ normalize: true, penalties: [], gates: [] });
  expect(groupwiseScorers(recipe, together)).toMatchObject([
    { name: 'preferred', weight: 2, scorer: { schedule: 'all_pairs' } },
  ]);
  expect(weightedScorers(together).filter(({ weight }) => weight > 0)).toMatchObject([
    { name: 'exact_match', weight: 1 },
    { name: 'preferred', weight: 2 },
  ]);
});

it('P2: a worker knows what the coordinator will read beside the weights: without it there is no result to compose', () => {
  const [, stage] = parseRecipe(
    text
      .replace(
        'composition: { normalize: true }',
        'composition: { penalties: { house: 1, giant_answer: 1 }, gates: [{ name: correct, at_least: 0.5 }, { name: preferred, at_least: 0.1 }] }',
      )
      .replace('{ exact_match: 1, preferred: 2 }', '{ exact_match: 1, preferred: 2, correct: 0, prose: 0, house: 0 }'),
    'r.yaml',
  ).stages;
  if (stage === undefined) throw new Error('two stages');
  const { rewards = [], judged = [], composition } = taskOf(stage);
  const weighted = [...rewards, ...judged].map(({ name = '', weight = 0 }) => ({ name, weight }));
  const total = (values: Readonly<Record<string, number>>) =>
    composeTotal(weighted, composition, (name) => values[name] ?? (name === 'giant_answer' ? 1 : undefined));
  expect(total({ exact_match: 1, house: 1 })).toBeNaN();
  expect(total({ exact_match: 1, correct: 1 })).toBeNaN();
  // Nothing reads prose, and what is read changes nothing here.
  expect(total({ exact_match: 1, correct: 0, house: 1 })).toBe(1);
});

it('composes evaluations without what only a group has', () => {
  const evaluated = (composition: string, rewards = '{ exact_match: 1, preferred: 2 }') => {
    const [, stage] = parseRecipe(
      text
        .replace('composition: { normalize: true }', `composition: ${composition}`)
        .replace('{ exact_match: 1, preferred: 2 }', rewards),
      'r.yaml',
    ).stages;
    if (stage === undefined) throw new Error('two stages');
    return taskOf(stage, Purpose.EVAL).composition;
  };
  expect(
    evaluated(
      '{ normalize: true, penalties: { preferred: 1, giant_answer: 2 }, gates: [{ name: preferred, at_most: 1 }] }',
    ),
  ).toEqual({
    normalize: true,
    penalties: [{ name: 'giant_answer', size: 2 }],
    gates: [],
  });
  // Nothing is left to divide by.
  expect(evaluated('{ normalize: true }', '{ exact_match: 0, preferred: 2 }')).toMatchObject({ normalize: false });
  expect(taskOf(alone, Purpose.EVAL)).toMatchObject({ judged: [{ name: 'correct' }, { name: 'prose' }] });
  expect(taskOf(alone, Purpose.EVAL).composition).toEqual(taskOf(alone).composition);
});

it('tells the declared scorers of a stage by kind', () => {
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
