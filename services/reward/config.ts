import type { z } from 'zod';
import { baseConfig } from '#shared/runtime/config.ts';
import { judgesSettings } from '#shared/rewards/judge-settings.ts';

/** Weights come with each request; only judges are configured here. */
export const rewardConfig = baseConfig.extend({
  judges: judgesSettings
    .default({})
    .describe('Judges by name: {NAME: {baseUrl, model, ...}}; services/reward/README.md lists their settings.'),
});

export type RewardConfig = z.infer<typeof rewardConfig>;
