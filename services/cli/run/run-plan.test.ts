import { expect, test } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { formatPlan, planRun } from './run-plan.ts';

const recipe = (more = '') =>
  parseRecipe(
    `
name: plan
seed: 3
model: { path: ./model }
data: { world: { seed: 1, train: 100, held_out: 50 } }
fleet: { engine: { max_context: 1024 } }
eval: { questions: 50, sampled: true, greedy: true }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 256, max_turns: 6, max_new_tokens: 32 }
    rewards: { exact_match: 1, format: 0.25 }
    batch: { groups: 4, group_size: 8, max_generation_batches: 3 }
    until: { steps: 10 }
  - name: two
    limits: { context_tokens: 512, max_turns: 6, max_new_tokens: 32 }
    rewards: { exact_match: 1 }
    batch: { groups: 4, group_size: 8 }
    algorithm: { dynamic_sampling: false }
    until: { steps: 5 }
    gate: { metric: sampled.exact_match, at_least: 0.2, on_fail: stop }
${more}`,
    'plan.yaml',
  );

test('a plan counts rollouts and bounds tokens before anything starts', () => {
  const plan = planRun(recipe());
  expect(plan.stages.map(({ rollouts }) => rollouts)).toEqual([320, 160]);
  // Before and after each stage as limits differ, and the untrained policy at the last limits: 5 times 50 questions, 2 modes.
  expect(plan.evaluations).toEqual({ count: 5, rollouts: 500 });
  expect(plan.rollouts).toBe(980);
  expect(plan.mostRollouts).toBe(320 * 3 + 160 + 500);
  expect(plan.mostTokens).toBe(960 * 256 + 160 * 512 + 100 * (256 + 256 + 512 + 512 + 512));
});

test('a plan evaluates no more rows than there are', () => {
  const asked = `
  - { name: asked, kind: eval, limits: { context_tokens: 256, max_new_tokens: 32 }, rewards: { format: 1 }, prompts: { of: all }, samples: 4 }`;
  const plan = planRun(recipe(asked), { rows: { train: 5, heldOut: 2 } });
  expect(plan.evaluations.rollouts).toBe(plan.evaluations.count * 4);
  expect(plan.stages[2]).toMatchObject({ groups: 7, groupSize: 4, rollouts: 28 });
});

test('the printed plan names stages, weights, gates and notes', () => {
  const text = formatPlan(
    planRun(recipe(), { notes: ['model.path: nothing there yet'], problems: ['data: x: was cut'] }),
  ).join('\n');
  expect(text).toContain('plan, seed 3: 2 stages');
  expect(text).toContain('exact_match 1, format 0.25');
  expect(text).toContain('gate of two: sampled.exact_match >= 0.2, else stop');
  expect(text).toContain('note: model.path: nothing there yet');
  expect(text).toContain('problem: data: x: was cut');
});

test('a plan says what the declared scorers are, whom they ask, and how the reward is composed', () => {
  const judged = `
name: judged
model: { path: ./m }
data: { world: {} }
judges: { main: { base_url: http://127.0.0.1:8000/v1, model: qwen } }
scorers:
  correct: { kind: grade, judge: main }
  preferred: { kind: pairwise, judge: main, schedule: swiss }
  house: { kind: typescript, path: ./house.ts }
  remote: { kind: http, url: http://127.0.0.1:9/score }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 256, max_new_tokens: 32 }
    rewards: { correct: 1, preferred: 0.5 }
    composition:
      normalize: true
      penalties: { candidate_list: 0.5 }
      gates: [{ name: format, at_least: 1 }, { name: correct, at_least: 0.1, at_most: 0.9, otherwise: -1 }]
      clip: { low: -1, high: 1 }
    until: { steps: 10 }
`;
  const text = formatPlan(planRun(parseRecipe(judged, 'judged.yaml'))).join('\n');
  expect(text).toContain('correct 1, preferred 0.5');
  expect(text).toContain('scorer correct: grade, judge main (qwen at http://127.0.0.1:8000/v1)');
  expect(text).toContain('scorer preferred: pairwise swiss, judge main (qwen');
  expect(text).toContain('when a group has settled; not in evaluations');
  expect(text).toContain('scorer house: typescript, ./house.ts');
  expect(text).toContain('scorer remote: http, http://127.0.0.1:9/score');
  expect(text).toContain(
    'reward of one: sum / weights, less 0.5 x candidate_list, 0 unless format >= 1, -1 unless correct >= 0.1 and correct <= 0.9, at least -1, at most 1',
  );
});
