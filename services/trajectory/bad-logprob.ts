/** Rounding of engines may lift a certainty above 0 by this. */
const tolerance = 1e-4;

/** Index of the first that is not a log-probability (NaN, an infinity, above 0); -1 when all are. */
export function badLogprob(logprobs: readonly number[]): number {
  return logprobs.findIndex((logprob) => !(logprob <= tolerance && logprob > -Infinity));
}
