import { z } from 'zod';
import { baseConfig } from '#platform/runtime/config.ts';
import { customScorersSettings } from '#rewards/custom-scorer-settings.ts';
import { judgesSettings } from '#rewards/judge-settings.ts';

/** Weights come with each request; configured here is whom to ask. */
export const rewardConfig = baseConfig.extend({
  judges: judgesSettings
    .default({})
    .describe('Judges by name: {NAME: {baseUrl, model, ...}}; services/reward/README.md lists their settings.'),
  scorers: customScorersSettings
    .default({})
    .describe('Custom scorers by name: {NAME: {kind, path, ...}}; services/reward/README.md lists their settings.'),
  python: z
    .string()
    .min(1)
    .default('python3')
    .describe('Interpreter of the custom scorers that are written in Python.'),
});

export type RewardConfig = z.infer<typeof rewardConfig>;
