/** The share of `gold` among the first k of `ranked`; `gold` is not empty. */
export function recallAt(k: number, ranked: readonly string[], gold: readonly string[]): number {
  const first = new Set(ranked.slice(0, k));
  return gold.filter((id) => first.has(id)).length / gold.length;
}
