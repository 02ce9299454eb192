export interface FusedRanks {
  /** Best first. */
  readonly passages: Uint32Array;
  readonly scores: Float64Array;
}

/** Cormack, Clarke and Büttcher 2009: how slowly the weight falls with the rank. */
const reciprocalRankConstant = 60;

/**
 * Reciprocal rank fusion: a passage's score is the sum over the lists of 1 / (k + rank), ranks from 1. Only ranks count, so
 * lists whose scores have nothing in common can be joined. A passage counts once a list, at its best rank. Equal scores
 * come out in the order of the corpus.
 */
export function fuseRanks(
  lists: readonly Uint32Array[],
  limit: number,
  k: number = reciprocalRankConstant,
): FusedRanks {
  const ranks = new Map<number, number[]>();
  for (const list of lists) {
    const seen = new Set<number>();
    list.forEach((passage, at) => {
      if (seen.has(passage)) return;
      seen.add(passage);
      const known = ranks.get(passage);
      if (known === undefined) ranks.set(passage, [at + 1]);
      else known.push(at + 1);
    });
  }
  const fused = [...ranks].map(([passage, of]) => {
    // In one order whatever the lists' order is, so that rounding cannot favour a list.
    of.sort((a, b) => a - b);
    return { passage, score: of.reduce((sum, rank) => sum + 1 / (k + rank), 0) };
  });
  fused.sort((a, b) => b.score - a.score || a.passage - b.passage);
  const kept = fused.slice(0, limit);
  return {
    passages: Uint32Array.from(kept, ({ passage }) => passage),
    scores: Float64Array.from(kept, ({ score }) => score),
  };
}
