import { describe, expect, test } from 'vitest';
import { foldRates, movedRates, ratesAfter, ratesFacts } from './rates.ts';

const after = (progress: unknown, step: number) => Object.fromEntries(ratesAfter(progress, step));

describe('moving rates', () => {
  test('move from where they were towards the mean of the groups of the step', () => {
    const before = new Map([['a', 0.5]]);
    const scores = [
      { key: 'a', score: 1 },
      { key: 'a', score: 0.5 },
      { key: 'b', score: 0.25 },
    ];
    // 0.5 + 0.4 * (0.75 - 0.5) = 0.6; b has none before and begins at its mean.
    expect(Object.fromEntries(movedRates(before, scores, 0.4))).toEqual({ a: 0.6, b: 0.25 });
    expect(Object.fromEntries(movedRates(before, scores, 1))).toEqual({ a: 0.75, b: 0.25 });
  });

  test('P8: are those of the step that is asked for, whatever was decided since', () => {
    const facts = [
      { step: 0, rates: { a: 0.1, b: 0.2 } },
      { step: 1, rates: { a: 0.5 } },
      { step: 2, rates: { a: 0.9, c: 1 } },
    ];
    const progress = facts.reduce<unknown>(foldRates, undefined);
    expect(after(progress, -1)).toEqual({});
    expect(after(progress, 0)).toEqual({ a: 0.1, b: 0.2 });
    expect(after(progress, 1)).toEqual({ a: 0.5, b: 0.2 });
    expect(after(progress, 2)).toEqual({ a: 0.9, b: 0.2, c: 1 });
    expect(after(undefined, 5)).toEqual({});
  });

  test('P1: a fact that is recorded again, after a kill, counts once', () => {
    const once = foldRates(undefined, { step: 0, rates: { a: 0.1 } });
    expect(after(foldRates(once, { step: 0, rates: { a: 0.7, b: 0.3 } }), 0)).toEqual({ a: 0.1, b: 0.3 });
    const next = foldRates(once, { step: 1, rates: { a: 0.2 } });
    expect(after(foldRates(next, { step: 0, rates: { a: 0.7 } }), 1)).toEqual({ a: 0.2 });
  });

  test('P6: of long runs only the newest steps are kept apart, and no rate is forgotten', () => {
    let progress = foldRates(undefined, { step: 0, rates: { first: 0.5 } });
    for (let step = 1; step < 500; step++)
      progress = foldRates(progress, { step, rates: { [`row ${step % 100}`]: step / 1000 } });
    expect(progress.newest).toHaveLength(65);
    expect(progress.older.size + progress.newest.length).toBeLessThan(170);
    expect(after(progress, 499)).toMatchObject({ first: 0.5, 'row 99': 0.499, 'row 0': 0.4 });
    // As far back as a batch may be gathered ahead.
    expect(after(progress, 499 - 64)).toMatchObject({ 'row 35': 0.435, 'row 36': 0.336 });
  });

  test('take as many facts as the ledger wants them small, and add up to the same', () => {
    const rates = new Map(
      Array.from({ length: 3000 }, (_, index) => [`2hop__${index}_${'9'.repeat(30)}`, index / 3000]),
    );
    const facts = ratesFacts(7, rates);
    expect(facts.length).toBeGreaterThan(2);
    for (const fact of facts) expect(Buffer.byteLength(JSON.stringify(fact))).toBeLessThan(64 * 1024);
    expect(ratesAfter(facts.reduce<unknown>(foldRates, undefined), 7)).toEqual(rates);
    expect(ratesFacts(7, new Map())).toEqual([]);
  });

  test('survive the ledger: facts are plain JSON, whatever ids rows have', () => {
    const rates = new Map([
      ['__proto__', 0.5],
      ['constructor', 0.25],
    ]);
    const facts = ratesFacts(0, rates).map((fact) => JSON.parse(JSON.stringify(fact)) as unknown);
    expect(ratesAfter(facts.reduce<unknown>(foldRates, undefined), 0)).toEqual(rates);
  });
});
