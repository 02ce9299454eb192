/**
 * Indices of values that are tied, the best tie first. A value belongs to a tie when it is within `tolerance` of the best
 * value in it; so a chain of small steps does not make one long tie.
 */
export function tieByValue(values: readonly number[], tolerance: number): number[][] {
  const order = values.map((_, index) => index).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
  const ties: { readonly best: number; readonly members: number[] }[] = [];
  for (const index of order) {
    const value = values[index] ?? 0;
    const last = ties.at(-1);
    if (last !== undefined && last.best - value <= tolerance) last.members.push(index);
    else ties.push({ best: value, members: [index] });
  }
  return ties.map(({ members }) => members.sort((a, b) => a - b));
}
