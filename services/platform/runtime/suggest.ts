/**
 * Number of single-character insertions, deletions and replacements, and of swaps of neighbours, between two words (optimal string
 * alignment).
 */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = isSwap ? (beforePrevious[column - 2] ?? 0) + 1 : Infinity;
      current.push(Math.min(replaced, swapped, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** A longer word is not a slip of the pen, and comparing it takes the product of both lengths. */
const longestWord = 64;

/** The candidate that was probably meant, if one is close enough: at most a third of the letters differ. */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > longestWord) return undefined;
  const plain = (text: string): string => text.toLowerCase().replace(/[-_.\s]/g, '');
  const meant = plain(word);
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    if (candidate.length > longestWord) continue;
    const known = plain(candidate);
    // As many letters as one is longer differ at least.
    if (Math.abs(meant.length - known.length) >= bestDistance) continue;
    const distance = editDistance(meant, known);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}
