import { expect, test } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { createBenchTasks } from './bench-tasks.ts';
import { benchRecipe, parseBenchOptions } from './bench-options.ts';
import { goldRow } from '../../../tests/fixtures/gold-item.ts';

const good = {
  rollouts: 100,
  warmUp: 0,
  workers: 2,
  engines: 1,
  concurrency: 64,
  turns: 3,
  latencyMedianMs: 50,
  latencySigma: 1,
  rightProbability: 0.5,
  seed: 7,
};

const base = parseRecipe(
  `
name: own
model: { path: /model }
data: { rows: { format: plain, train: rows.jsonl, held_out: 5, corpus: corpus.jsonl } }
environment: { name: search, options: { top_k: 7 } }
stages:
  - name: only
    limits: { context_tokens: 288, max_new_tokens: 48 }
    rewards: { f1: 2 }
    composition: { normalize: true }
    until: { steps: 9 }
`,
  'own.yaml',
);

test('plays the environment, data and rewards of a recipe', () => {
  const recipe = benchRecipe(parseBenchOptions(good), base);
  expect(recipe).toMatchObject({
    model: { path: '/model' },
    data: { rows: { train: 'rows.jsonl' } },
    environment: { name: 'search', options: { top_k: 7 } },
    stages: [{ name: 'bench', rewards: { f1: 2 }, composition: { normalize: true } }],
  });
  const unplayed = { ...base, environment: { name: 'arithmetic', options: {} } };
  expect(() => benchRecipe(parseBenchOptions(good), unplayed)).toThrow('environment arithmetic has no script');
});

test.each([
  [{ rollouts: 0 }, /--rollouts: .*>=1/],
  [{ latencySigma: 9 }, /--latency-sigma: .*<=4/],
  [{ rightProbability: 2 }, /--right-probability: .*<=1/],
  [{ workers: 0, turns: 101 }, /--workers: .*\n--turns: /],
  [{ workers: 32, concurrency: 4096 }, /131072 rollouts at once; the task queue hands out 65536/],
])('options out of bounds are named: %o', (change, message) => {
  expect(() => parseBenchOptions({ ...good, ...change })).toThrow(message);
});

test('P8: the tasks of a bench depend on its seed and settings of the policy, not on its fleet', () => {
  const row = goldRow({ question: 'Who?', answers: ['me'], hops: 2 });
  const ids = (change: object) => {
    const recipe = benchRecipe(parseBenchOptions({ ...good, ...change }), base);
    const { taskAt } = createBenchTasks(recipe, 'bench', [row]);
    return Array.from({ length: 20 }, (_, index) => taskAt(index).taskId);
  };
  expect(new Set(ids({})).size).toBe(20);
  expect(ids({ workers: 4, concurrency: 8 })).toEqual(ids({}));
  expect(ids({ seed: 8 })).not.toEqual(ids({}));
});
