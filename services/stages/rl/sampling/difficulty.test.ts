import { describe, expect, test } from 'vitest';
import { bandWeight, difficulty } from './difficulty.ts';

const settings = (given: object = {}) => difficulty.schema.parse({ kind: 'difficulty', ...given });
const rows = (...ids: string[]) => ids.map((id) => ({ id, tags: {} }));
const weigh = (given: object, rates: Record<string, number>, ...ids: string[]) =>
  difficulty.weigh(settings(given), rows(...ids), new Map(Object.entries(rates)));

describe('difficulty', () => {
  test('asks rows in the band and those that were never asked, and the others now and then', () => {
    const { weights, metrics } = weigh(
      { band: [0.2, 0.8], outside: 0.1 },
      { low: 0.1, edge: 0.2, mid: 0.5, top: 0.8, easy: 1 },
      'low',
      'edge',
      'mid',
      'top',
      'easy',
      'new',
    );
    expect(weights).toEqual([0.1, 1, 1, 1, 0.1, 1]);
    expect(metrics).toMatchObject({
      'prompts/rows': 6,
      'prompts/in_band': 3,
      'prompts/too_hard': 1,
      'prompts/too_easy': 1,
      'prompts/no_rate': 1,
      'prompts/band_empty': 0,
      'prompts/rate/0.1': 1,
      'prompts/rate/0.2': 1,
      'prompts/rate/0.5': 1,
      'prompts/rate/0.8': 1,
      'prompts/rate/0.9': 1,
      'prompts/rate/0.0': 0,
    });
  });

  test('falls outside the band by a Gaussian, never below `outside`', () => {
    const given = settings({ band: [0.4, 0.6], falloff: 0.2, outside: 0.05 });
    // exp(-0.5 * (0.2 / 0.2)^2), one standard deviation below; the same above; two below.
    expect(bandWeight(given, 0.2)).toBeCloseTo(0.606531, 6);
    expect(bandWeight(given, 0.8)).toBeCloseTo(0.606531, 6);
    expect(bandWeight(given, 0)).toBeCloseTo(0.135335, 6);
    expect(bandWeight(settings({ band: [0, 0.1], falloff: 0.2, outside: 0.05 }), 1)).toBe(0.05);
  });

  test("is TimeLens's sampler with a band of one value: exp(-(rate - 0.05)^2 / (2 * 0.2^2)) over the rows of its twentieth", () => {
    const given = { band: [0.05, 0.05], falloff: 0.2, outside: 0, flatten: true };
    const { weights } = weigh(given, { a: 0.05, b: 0.06, c: 0.45, d: 0.9 }, 'a', 'b', 'c', 'd');
    // a and b share the bin 0.05..0.1, c and d are alone: 1/2, exp(-0.00125)/2, exp(-2), exp(-9.03125), over count + 1e-6.
    const wanted = [0.49999975, 0.49937528, 0.13533515, 0.00011962];
    for (const [index, weight] of wanted.entries()) expect(weights[index]).toBeCloseTo(weight, 6);
  });

  test('P9: an empty band is said, with what to do, and rows outside are asked', () => {
    const { weights, metrics } = weigh({ band: [0.3, 0.6], outside: 0 }, { a: 0, b: 0, c: 1 }, 'a', 'b', 'c');
    expect(weights).toEqual([1, 1, 1]);
    expect(metrics['prompts/band_empty']).toBe(1);
    const steps = [{ 'prompts/band_empty': 0 }, metrics];
    expect(difficulty.warnings(settings({ band: [0.3, 0.6] }), steps)).toEqual([
      expect.stringMatching(
        /in 1 of 2 steps, first in step 2 .*band \[0\.3, 0\.6\].* 2 were below it and 1 above: widen the band/,
      ),
    ]);
    expect(difficulty.warnings(settings(), [{ 'prompts/band_empty': 0 }])).toEqual([]);
  });

  test('begins with the rates that an evaluation left as a tag, until it has its own', () => {
    const evaluated = ['0', '0.5', '1', 'none', ''].map((rate, index) => ({
      id: `r${index}`,
      tags: { pass_rate: rate },
    }));
    const given = settings({ band: [0.2, 0.8], outside: 0 });
    expect(difficulty.weigh(given, evaluated, new Map()).weights).toEqual([0, 1, 0, 1, 1]);
    expect(
      difficulty.weigh(
        given,
        evaluated,
        new Map([
          ['r0', 0.4],
          ['r1', 0.9],
        ]),
      ).weights,
    ).toEqual([1, 0, 0, 1, 1]);
  });

  test('refuses a band that ends before it begins', () => {
    expect(difficulty.check(settings({ band: [0.9, 0.1] }))).toEqual([
      { path: ['band'], message: expect.stringContaining('first is greater'), value: [0.9, 0.1] },
    ]);
    expect(difficulty.check(settings({ band: [0.05, 0.05] }))).toEqual([]);
  });
});
