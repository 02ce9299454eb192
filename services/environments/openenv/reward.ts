import { UserCodeError } from '#user-code/user-code-error.ts';
import { scaleReward } from '../kit/options.ts';
import type { OpenenvOptions } from './options.ts';

export interface RewardTally {
  add(reward: number | undefined): void;
  /** Throws UserCodeError when no step had one although the options promise it: that is not 0. */
  rewards(): Readonly<Record<string, number>>;
  metrics(): Readonly<Record<string, number>>;
}

/** The component of the reward that an episode gives itself. */
export const rewardName = 'environment_reward';

/** Makes one reward of 0..1 of the rewards of an episode's steps. */
export function createRewardTally(options: OpenenvOptions): RewardTally {
  const { reward: how } = options;
  let raw: number | undefined;
  let steps = 0;
  return {
    add(reward) {
      steps += 1;
      if (reward === undefined) return;
      if (!Number.isFinite(reward)) throw new UserCodeError(`the server gave ${reward} as the reward of step ${steps}`);
      if (raw === undefined || how === 'last') raw = reward;
      else raw = how === 'sum' ? raw + reward : Math.max(raw, reward);
    },
    rewards() {
      if (how === 'none') return {};
      // The policy ended it before it did anything: its own doing, as at a limit.
      if (steps === 0) return { [rewardName]: 0 };
      if (raw === undefined)
        throw new UserCodeError('no step had a reward; with the option reward: none the server need not give one');
      return { [rewardName]: scaleReward(raw, options) };
    },
    metrics: () => ({ environment_steps: steps, ...(raw !== undefined && { environment_reward_raw: raw }) }),
  };
}
