import { meanOf } from '#rewards/advantages.ts';

export interface Plateau {
  readonly windowSteps: number;
  readonly minDelta: number;
}

/** Whether the mean of the last window of rewards is less than `minDelta` above that of the window before it. */
export function hasPlateau(rewardPerStep: readonly number[], plateau: Plateau): boolean {
  const { windowSteps, minDelta } = plateau;
  if (rewardPerStep.length < 2 * windowSteps) return false;
  const last = meanOf(rewardPerStep.slice(-windowSteps));
  const before = meanOf(rewardPerStep.slice(-2 * windowSteps, -windowSteps));
  return last - before < minDelta;
}
