import { describe, expect, test } from 'vitest';
import { curriculum, sharesOf } from './curriculum.ts';

const settings = (given: object = {}) => curriculum.schema.parse({ kind: 'curriculum', tag: 'hops', ...given });
const rows = (...hops: string[]) => hops.map((value, index) => ({ id: `r${index}`, tags: { hops: value } }));
const shares = (rates: Record<string, number>) =>
  Object.fromEntries(
    sharesOf({ advance_at: 0.6, rehearsal: 0.2, ahead: 0.1 }, ['2', '3', '4'], new Map(Object.entries(rates))),
  );

describe('the curriculum', () => {
  test('begins at the first value, and asks a few of the next', () => {
    expect(shares({})).toEqual({ 2: 0.9, 3: 0.1, 4: 0 });
    expect(shares({ 2: 0.59, 3: 0.9 })).toEqual({ 2: 0.9, 3: 0.1, 4: 0 });
  });

  test('goes on when a value is learnt, and rehearses those before', () => {
    const middle = shares({ 2: 0.6 });
    expect(middle).toEqual({ 2: 0.2, 3: expect.closeTo(0.7, 12), 4: 0.1 });
    expect(shares({ 2: 0.7, 3: 0.6 })).toEqual({ 2: 0.1, 3: 0.1, 4: 0.8 });
  });

  test('stays at the last value when all are learnt, and goes back when one is forgotten', () => {
    expect(shares({ 2: 0.9, 3: 0.8, 4: 0.7 })).toEqual({ 2: 0.1, 3: 0.1, 4: 0.8 });
    expect(shares({ 2: 0.5, 3: 0.8, 4: 0.7 })).toEqual({ 2: 0.9, 3: 0.1, 4: 0 });
  });

  test('shares the draws of a value among its rows, however many there are', () => {
    const { weights, metrics } = curriculum.weigh(settings(), rows('2', '2', '2', '3', '5'), new Map([['2', 0.3]]));
    expect(weights.slice(0, 4)).toEqual([0.3, 0.3, 0.3, 0.1].map((weight) => expect.closeTo(weight, 12)));
    expect(weights[4]).toBe(0);
    expect(metrics).toMatchObject({
      'prompts/weight/hops=2': 0.9,
      'prompts/weight/hops=3': 0.1,
      'prompts/weight/hops=5': 0,
      'prompts/rate/hops=2': 0.3,
      'prompts/left_out': 0,
    });
    expect(metrics).not.toHaveProperty('prompts/rate/hops=3');
  });

  test('orders values as numbers where they are numbers, and as the setting says where there is one', () => {
    const order = (given: object, ...values: string[]) =>
      Object.keys(curriculum.weigh(settings(given), rows(...values), new Map()).metrics).filter((name) =>
        name.startsWith('prompts/weight/'),
      );
    expect(order({}, '10', '9', '2')).toEqual(['2', '9', '10'].map((value) => `prompts/weight/hops=${value}`));
    expect(order({ order: ['hard', 'easy'] }, 'easy', 'hard')).toEqual([
      'prompts/weight/hops=hard',
      'prompts/weight/hops=easy',
    ]);
  });

  test('P9: counts rows that its order leaves out', () => {
    const { metrics, weights } = curriculum.weigh(settings({ order: [2] }), rows('2', '3', '4'), new Map());
    expect(weights).toEqual([1, 0, 0]);
    expect(metrics['prompts/left_out']).toBe(2);
  });

  test('P9: says which values were never asked, and what to do', () => {
    const { metrics } = curriculum.weigh(
      settings({ order: [2, 3, 4] }),
      rows('2', '3', '4', '9'),
      new Map([['2', 0.25]]),
    );
    expect(curriculum.warnings(settings(), [{}, metrics])).toEqual([
      expect.stringMatching(
        /rows with hops 4 were never asked: rates are 2 0\.25.*advance_at \(0\.6\); lower it, raise ahead/,
      ),
      expect.stringMatching(/1 of 4 rows were never asked, since order leaves out their hops/),
    ]);
    const all = curriculum.weigh(
      settings(),
      rows('2', '3'),
      new Map([
        ['2', 0.25],
        ['3', 0.1],
      ]),
    );
    expect(curriculum.warnings(settings(), [all.metrics])).toEqual([]);
  });

  test('says which groups it asked of each value, and which had something to learn from', () => {
    const [a, b, c] = rows('2', '2', '3');
    if (a === undefined || b === undefined || c === undefined) throw new Error('no rows');
    const groups = [
      { row: a, isKept: true },
      { row: b, isKept: false },
      { row: c, isKept: false },
    ];
    expect(curriculum.outcome?.(settings(), groups)).toEqual({
      'prompts/asked/hops=2': 2,
      'prompts/kept/hops=2': 1,
      'prompts/asked/hops=3': 1,
      'prompts/kept/hops=3': 0,
    });
  });

  test('refuses a tag and values that no row has, and shares that leave nothing', () => {
    expect(curriculum.problems(settings({ tag: 'level' }), rows('2'))[0]).toMatch(
      /tag: none of its 1 rows has a tag level/,
    );
    expect(curriculum.problems(settings({ order: [2, 7, 8] }), rows('2', '3'))[0]).toBe(
      'order: no row has hops 7, 8; they have 2, 3: leave out what is not there',
    );
    expect(curriculum.problems(settings(), rows('2'))).toEqual([]);
    expect(curriculum.check(settings({ rehearsal: 0.5, ahead: 0.5 })).map(({ path }) => path)).toEqual([['rehearsal']]);
    expect(curriculum.check(settings({ order: [2, 3, 2] }))[0]?.message).toContain('names 2 more than once');
  });
});
