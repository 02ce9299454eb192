export interface CapacityInputs {
  readonly maxConcurrent: number;
  /** Rollouts that are published and unanswered. */
  readonly running: number;
  /** Rollouts that are in a batch, or waiting for one, since the run began. */
  readonly accepted: number;
  readonly maxStaleness: number;
  readonly version: number;
  /** Rollouts of one step. */
  readonly batch: number;
}

/**
 * Rollouts that may be started now, >= 0: AReaL's admission (arXiv 2505.24298, section 5.1). Pacing instead of discarding
 * keeps every sample within `maxStaleness` (P5); 0 is synchronous.
 */
export function rolloutCapacity(inputs: CapacityInputs): number {
  const concurrency = inputs.maxConcurrent - inputs.running;
  const staleness = (inputs.maxStaleness + inputs.version + 1) * inputs.batch - (inputs.accepted + inputs.running);
  return Math.max(0, Math.min(concurrency, staleness));
}

/** Whether a sample that began at `firstVersion` may be trained on at `version` (P5). */
export function isFreshEnough(firstVersion: number, version: number, maxStaleness: number): boolean {
  return version - firstVersion <= maxStaleness;
}
