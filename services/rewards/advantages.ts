/** How the rewards of a group become advantages; with `gae` they stay what they are, and the learner's critic has the baseline. */
export type AdvantageMethod = 'grpo' | 'grpo_no_std' | 'rloo' | 'gae';

/** Added to the standard deviation, as in the public implementations of GRPO. */
const epsilon = 1e-6;

/**
 * Advantages of one group, in the order of its rewards.
 *
 * - `grpo`: (r - mean) / (std + 1e-6), std unbiased (n - 1). DeepSeekMath (arXiv 2402.03300).
 * - `grpo_no_std`: r - mean. "Dr. GRPO" (arXiv 2503.20783).
 * - `rloo`: r_i - mean of the others (arXiv 2402.14740).
 * - `gae`: r. No baseline is taken off here: the learner makes an advantage for each token of it (arXiv 1506.02438).
 *
 * For the others a group of one carries no signal: its advantage is 0 (verl and SkyRL give the raw reward instead).
 */
export function computeAdvantages(rewards: readonly number[], method: AdvantageMethod): number[] {
  if (method === 'gae') return [...rewards];
  const count = rewards.length;
  if (count < 2) return rewards.map(() => 0);
  const mean = meanOf(rewards);
  switch (method) {
    case 'grpo': {
      const scale = standardDeviation(rewards) + epsilon;
      return rewards.map((reward) => (reward - mean) / scale);
    }
    case 'grpo_no_std':
      return rewards.map((reward) => reward - mean);
    case 'rloo':
      return rewards.map((reward) => ((reward - mean) * count) / (count - 1));
  }
}

/**
 * Whether a group's rewards differ by more than rounding: their unbiased standard deviation exceeds `tolerance`.
 * Not `!== 0`: the deviation of three times 0.1 is 1e-17.
 */
export function rewardsVary(rewards: readonly number[], tolerance: number): boolean {
  return rewards.length > 1 && standardDeviation(rewards) > tolerance;
}

export function meanOf(values: readonly number[]): number {
  if (values.length === 0) return 0;
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Unbiased (n - 1); 0 for fewer than two values. */
export function standardDeviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = meanOf(values);
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}
