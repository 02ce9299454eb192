import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planBatches } from './inference-session.ts';

describe('planBatches', () => {
  it('puts the longest together, within tokens and rows', () => {
    expect(planBatches([3, 10, 0, 4, 9, 1], 20, 3)).toEqual([
      [1, 4],
      [3, 0, 5],
    ]);
    expect(planBatches([100], 10, 4)).toEqual([[0]]);
    expect(planBatches([], 10, 4)).toEqual([]);
  });

  it('puts every sequence that is not empty in exactly one batch within bounds', () => {
    const lengths = fc.array(fc.nat(600), { maxLength: 200 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 4_000 }), fc.integer({ min: 1, max: 40 }), (all, tokens, rows) => {
        const batches = planBatches(all, tokens, rows);
        const taken = batches.flat().sort((a, b) => a - b);
        expect(taken).toEqual(all.flatMap((length, at) => (length > 0 ? [at] : [])));
        for (const batch of batches) {
          expect(batch.length).toBeLessThanOrEqual(rows);
          const longest = Math.max(...batch.map((at) => all[at] ?? 0));
          expect(batch.length === 1 || batch.length * longest <= tokens).toBe(true);
        }
      }),
    );
  });
});
