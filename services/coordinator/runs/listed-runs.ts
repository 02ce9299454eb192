/** Runs of one answer: each is read from its ledger. */
const mostListed = 256;

/** Which runs an answer lists, by id: those that are driven here first, so that none of them is left out for one that rests. `leftOut` counts the others (P9). */
export function listedRuns(
  driven: Iterable<string>,
  known: Iterable<string>,
): { readonly ids: readonly string[]; readonly leftOut: number } {
  const all = new Set([...[...driven].sort(), ...[...known].sort()]);
  const ids = [...all].slice(0, mostListed).sort();
  return { ids, leftOut: all.size - ids.length };
}
