/**
 * Bounds retries by the work that is asked for: a judge that fails everything is asked `1 + ratio` times as often, not
 * `attempts` times. At any time: retries taken <= reserve + ratio x questions.
 */
export interface RetryBudget {
  readonly available: number;
  /** A new question. */
  deposit(): void;
  /** Takes one retry; false when there is none. */
  withdraw(): boolean;
}

export function createRetryBudget({
  ratio,
  reserve,
}: {
  readonly ratio: number;
  readonly reserve: number;
}): RetryBudget {
  let available = reserve;
  return {
    get available() {
      return available;
    },
    deposit() {
      available = Math.min(Math.max(reserve, 1), available + ratio);
    },
    withdraw() {
      if (available < 1) return false;
      available -= 1;
      return true;
    },
  };
}
