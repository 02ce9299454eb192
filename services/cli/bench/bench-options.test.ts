import { expect, test } from 'vitest';
import { createBenchTasks } from './bench-tasks.ts';
import { benchRecipe, parseBenchOptions } from './bench-options.ts';

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
  const question = {
    $typeName: 'gradus.rollout.v1.Question' as const,
    id: 'q',
    question: 'Who?',
    answers: ['me'],
    supportTitles: [],
    hops: 2,
  };
  const ids = (change: object) => {
    const taskAt = createBenchTasks(benchRecipe(parseBenchOptions({ ...good, ...change }), '/model'), 'bench', [
      question,
    ]);
    return Array.from({ length: 20 }, (_, index) => taskAt(index).taskId);
  };
  expect(new Set(ids({})).size).toBe(20);
  expect(ids({ workers: 4, concurrency: 8 })).toEqual(ids({}));
  expect(ids({ seed: 8 })).not.toEqual(ids({}));
});
