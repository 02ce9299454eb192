export interface Interval {
  readonly start: number;
  readonly end: number;
}

const longestText = 120;
const point = String.raw`((?:\d{1,4}:)?\d{1,4}:\d{2}(?:\.\d+)?|-?\d{1,12}(?:\.\d+)?)(?:\s*(?:s|sec|secs|seconds))?`;
const pair = new RegExp(
  `^(?:from\\s+|between\\s+)?[\\[(]?\\s*${point}\\s*(?:,|;|-|–|—|to|and|\\s)\\s*${point}\\s*[\\])]?\\.?$`,
  'iu',
);

/**
 * Two points, in seconds or in any one unit: "12.5 - 20", "[12.5, 20]", "0:12 to 0:20", "from 12 s to 20 s". Undefined for
 * anything else, and when the end is not after the start: ends are not swapped, since that would forgive an answer that
 * says nothing.
 */
export function parseInterval(text: string): Interval | undefined {
  if (text.length > longestText) return undefined;
  const [, first, second] = pair.exec(text.trim()) ?? [];
  if (first === undefined || second === undefined) return undefined;
  const [start, end] = [secondsOf(first), secondsOf(second)];
  return end > start ? { start, end } : undefined;
}

/** Intersection over union with the best gold interval, 0..1; 0 for what is not an interval, on either side. */
export function intervalIou(prediction: string, answers: readonly string[]): number {
  const predicted = parseInterval(prediction);
  if (predicted === undefined) return 0;
  let best = 0;
  for (const answer of answers) {
    const gold = parseInterval(answer);
    if (gold !== undefined) best = Math.max(best, iou(predicted, gold));
  }
  return best;
}

/** Of two intervals that each end after they start. */
export function iou(a: Interval, b: Interval): number {
  const shared = Math.min(a.end, b.end) - Math.max(a.start, b.start);
  if (shared <= 0) return 0;
  return Math.min(1, shared / (a.end - a.start + (b.end - b.start) - shared));
}

function secondsOf(text: string): number {
  return text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}
