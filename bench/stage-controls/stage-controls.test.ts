import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { parseRunSummary } from '#run/directory/run-summary.ts';
import { applySettings, parseSetting } from '../../services/recipe/recipe-settings.ts';
import { exampleSummary } from '../../services/cli/run/summary-under-test.ts';
import { controlRunOf } from './control-run.ts';
import { controlTable } from './table.ts';

const summaryWith = (right: number, seed: number, state = 'finished') =>
  parseRunSummary(
    JSON.stringify({
      ...exampleSummary(),
      seed,
      state,
      stages: exampleSummary().stages.map((stage) => ({
        ...stage,
        evalDetail: {
          after: {
            greedy: {
              ...stage.evalDetail.after.sampled,
              metrics: { exact_match: right },
              byTag: { 'hops=2': { metrics: { exact_match: right }, n: 2 } },
            },
          },
        },
      })),
    }),
    'summary.json',
  );
const shares = (...rows: readonly number[]) => new Map(rows.map((share, index) => [`row-${index}`, share] as const));

test('a control is compared with the whole recipe of its seed, row by row, and its seeds are in one line', () => {
  const runs = [1, 2].flatMap((seed) => {
    const whole = shares(1, 1, 1, 0);
    return [
      controlRunOf(summaryWith(0.75, seed), { run: 'whole', settings: [] }, { whole: null, here: whole }),
      controlRunOf(
        summaryWith(seed === 1 ? 0.5 : 0.25, seed),
        { run: 'one-stage', settings: ['stages.0.until.steps=11'] },
        { whole, here: seed === 1 ? shares(1, 0, 0, 1) : shares(1, 0, 0, 0) },
      ),
    ];
  });
  expect(controlTable(runs)).toEqual([
    ['run', 'steps', 'seeds', 'all', 'mean', '2 hops, mean', 'points from whole', 'better:worse', 'p', 'rollouts'],
    ['whole', '2', '1, 2', '75.0, 75.0', '75.0', '75.0', '', '', '', '656, 656'],
    ['one-stage', '2', '1, 2', '50.0, 25.0', '37.5', '37.5', '-25.0, -50.0', '1:2, 0:2', '1.000, 0.500', '656, 656'],
  ]);
});

test('a run that has not finished is no control', () => {
  expect(() =>
    controlRunOf(summaryWith(0.5, 1, 'stopped'), { run: 'coin', settings: [] }, { whole: null, here: shares(1) }),
  ).toThrow('demo-1: is stopped');
});

test('P8: every control has as many steps as the recipe, so that only what is left out differs', async () => {
  const plan = z
    .object({ recipe: z.string(), settings: z.array(z.string()), controls: z.record(z.string(), z.array(z.string())) })
    .parse(parse(await readFile(join(import.meta.dirname, 'demo-mode.yaml'), 'utf8')));
  const recipe: unknown = parse(await readFile(join(import.meta.dirname, plan.recipe), 'utf8'), { merge: true });
  const stages = z.object({ stages: z.array(z.object({ until: z.object({ steps: z.number() }).optional() })) });
  const stepsWith = (settings: readonly string[]): number =>
    stages
      .parse(applySettings(recipe, settings.map(parseSetting)).value)
      .stages.reduce((sum, { until }) => sum + (until?.steps ?? 0), 0);
  expect(stepsWith([])).toBe(11);
  for (const [name, control] of Object.entries(plan.controls))
    expect([name, stepsWith([...plan.settings, ...control])]).toEqual([name, 11]);
});
