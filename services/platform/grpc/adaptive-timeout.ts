export interface AdaptiveTimeout {
  /** How long the next answer is waited for, in milliseconds. */
  readonly timeoutMs: number;
  answered(elapsedMs: number): void;
}

/** A peer may take this many times its slowest answer of late before it counts as silent. */
const FACTOR = 4;
/** The slowest answer fades by this with each that is faster: a busy minute is forgotten after some twenty answers. */
const FADING = 0.9;

/**
 * Distinguishes a silent peer from a slow one: a busy peer answers later and later, and the timeout grows with it, up to
 * `maxMs`; a frozen peer never answers, and the timeout stays what it was.
 */
export function createAdaptiveTimeout({
  baseMs,
  maxMs,
}: {
  readonly baseMs: number;
  readonly maxMs: number;
}): AdaptiveTimeout {
  let slowestMs = 0;
  return {
    get timeoutMs() {
      return Math.round(Math.min(maxMs, Math.max(baseMs, FACTOR * slowestMs)));
    },
    answered(elapsedMs) {
      slowestMs = Math.max(elapsedMs, slowestMs * FADING);
    },
  };
}
