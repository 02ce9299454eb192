import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fuseRanks } from './fuse-ranks.ts';

const list = fc.uniqueArray(fc.nat(50), { maxLength: 30 }).map((passages) => Uint32Array.from(passages));
const lists = fc.array(list, { maxLength: 4 });
const plain = ({ passages, scores }: ReturnType<typeof fuseRanks>): [number, number][] =>
  [...passages].map((passage, at) => [passage, scores[at] ?? NaN]);

describe('fuseRanks', () => {
  it('adds 1 / (60 + rank) over the lists', () => {
    const fused = fuseRanks([Uint32Array.of(7, 3, 9), Uint32Array.of(3, 8)], 10);
    expect([...fused.passages]).toEqual([3, 7, 8, 9]);
    expect([...fused.scores]).toEqual([1 / 61 + 1 / 62, 1 / 61, 1 / 62, 1 / 63]);
  });

  it('counts a passage that a list repeats once, at its best rank', () => {
    expect(plain(fuseRanks([Uint32Array.of(4, 4, 5, 4)], 10))).toEqual([
      [4, 1 / 61],
      [5, 1 / 63],
    ]);
  });

  it('does not depend on the order of the lists', () => {
    fc.assert(
      fc.property(lists, (all) => {
        expect(plain(fuseRanks(all.toReversed(), 100))).toEqual(plain(fuseRanks(all, 100)));
      }),
    );
  });

  it('gives every passage once, best first, equals in the order of the corpus', () => {
    fc.assert(
      fc.property(lists, (all) => {
        const rows = plain(fuseRanks(all, 1_000));
        const passages = new Set(all.flatMap((passage) => [...passage]));
        expect(new Set(rows.map(([passage]) => passage))).toEqual(passages);
        expect(rows).toHaveLength(passages.size);
        const sorted = rows.toSorted(([a, scoreA], [b, scoreB]) => scoreB - scoreA || a - b);
        expect(rows).toEqual(sorted);
      }),
    );
  });

  it('keeps the order of a single list, and of lists that agree', () => {
    fc.assert(
      fc.property(list, fc.integer({ min: 1, max: 3 }), (one, times) => {
        const { passages } = fuseRanks(
          Array.from({ length: times }, () => one),
          1_000,
        );
        expect([...passages]).toEqual([...one]);
      }),
    );
  });

  it('puts anyone who is better in every list first', () => {
    fc.assert(
      fc.property(lists, (all) => {
        const { passages } = fuseRanks(all, 1_000);
        const rankIn = (passage: number) => (one: Uint32Array) =>
          one.includes(passage) ? one.indexOf(passage) : Infinity;
        for (let at = 1; at < passages.length; at += 1) {
          const before = all.map(rankIn(passages[at - 1] ?? -1));
          const after = all.map(rankIn(passages[at] ?? -1));
          expect(after.every((rank, of) => rank < (before[of] ?? 0))).toBe(false);
        }
      }),
    );
  });

  it('gives the best of a longer answer when fewer are asked for', () => {
    fc.assert(
      fc.property(lists, fc.nat(40), (all, limit) => {
        expect(plain(fuseRanks(all, limit))).toEqual(plain(fuseRanks(all, 1_000)).slice(0, limit));
      }),
    );
  });
});
