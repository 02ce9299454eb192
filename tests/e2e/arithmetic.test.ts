import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { readJson, startGradus } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const recipe = resolve(import.meta.dirname, '../../recipes/arithmetic.yaml');
const evaluated = z.object({ metrics: z.object({ exact_match: z.number() }) });
const summary = z.object({
  stages: z.array(z.object({ kind: z.string(), eval: z.object({ before: evaluated, after: evaluated }) })),
  rollouts: z.object({ lost: z.number(), duplicated: z.number() }),
});

it('fresh weights learn sums from demonstrations that are half wrong, and reinforcement makes them right more often', async () => {
  const directory = await temporaryDirectory('gradus-arithmetic-e2e-');
  const sizes = ['eval.greedy=false', 'stages.1.until.steps=8'];
  const run = startGradus(directory, 'run', recipe, '--run-id', 'sums', ...sizes.flatMap((size) => ['--set', size]));
  expect(await run.exit(), run.output()).toBe(0);

  const { stages, rollouts } = summary.parse(await readJson(join(directory, 'runs/sums/summary.json')));
  expect(rollouts).toEqual({ lost: 0, duplicated: 0 });
  expect(stages.map(({ kind }) => kind)).toEqual(['sft', 'rl']);
  const [fresh = 1, shown = 1] = [stages[0]?.eval.before, stages[0]?.eval.after].map((at) => at?.metrics.exact_match);
  const rewarded = stages[1]?.eval.after.metrics.exact_match ?? 0;
  expect(fresh).toBeLessThan(0.05);
  expect(shown).toBeGreaterThan(0.1);
  // Demonstrations that are half wrong cannot bring it far above this.
  expect(shown).toBeLessThan(0.6);
  expect(rewarded).toBeGreaterThan(shown + 0.1);
});
