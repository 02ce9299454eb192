import { TerminalError } from '#platform/errors.ts';

/** How many vectors lie in `queries`. Throws unless they are whole and k makes sense. */
export function queryCount(queries: Float32Array, dimensions: number, k: number): number {
  const count = queries.length / dimensions;
  if (!Number.isInteger(count)) {
    throw new TerminalError(
      'invalid_argument',
      `queries: ${queries.length} numbers are no whole vectors of ${dimensions} dimensions; use the index's encoder`,
    );
  }
  if (!Number.isInteger(k) || k < 1) throw new TerminalError('invalid_argument', `k: give 1 or more, not ${k}`);
  return count;
}
