export interface OverlongShaping {
  /** Tokens of the policy at which the penalty is full. */
  readonly maxTokens: number;
  /** Tokens before `maxTokens` over which the penalty grows. */
  readonly bufferTokens: number;
  /** Full penalty, >= 0. */
  readonly factor: number;
}

/**
 * Soft overlong penalty of DAPO (arXiv 2503.14476, equation 13), bounded by -factor; it is added to the reward.
 * `modelTokens` counts the policy's own tokens, never the environment's.
 */
export function overlongPenalty(modelTokens: number, shaping: OverlongShaping): number {
  const free = shaping.maxTokens - shaping.bufferTokens;
  if (modelTokens <= free) return 0;
  return -shaping.factor * Math.min(1, (modelTokens - free) / shaping.bufferTokens);
}
