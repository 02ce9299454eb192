import type { z } from 'zod';
import { baseConfig } from '#shared/runtime/config.ts';

/** Nothing of its own: weights come with each request. */
export const rewardConfig = baseConfig;

export type RewardConfig = z.infer<typeof rewardConfig>;
