/** What the first k hits of every question hold of its support. Shares in 0..1. */
export interface RecallAt {
  readonly k: number;
  /** Mean over the questions of the share of their support that was found. */
  readonly recall: number;
  /** Share of the questions whose whole support was found: what a question of several hops needs. */
  readonly allFound: number;
}

/**
 * `rankings[q]` are ids, best first; `supports[q]` the ids that answer q, at least one. An id that comes twice (chunks of
 * one page) counts once and takes one rank.
 */
export function recallAt(
  rankings: readonly (readonly string[])[],
  supports: readonly (readonly string[])[],
  cutoffs: readonly number[],
): RecallAt[] {
  return cutoffs.map((k) => {
    let recall = 0;
    let allFound = 0;
    supports.forEach((support, question) => {
      const first = new Set([...new Set(rankings[question] ?? [])].slice(0, k));
      const found = support.filter((id) => first.has(id)).length;
      recall += found / support.length;
      if (found === support.length) allFound += 1;
    });
    return { k, recall: recall / supports.length, allFound: allFound / supports.length };
  });
}
