import { runService } from '#platform/runtime/run-service.ts';
import { rewardConfig } from './config.ts';

await runService({
  name: 'reward',
  config: rewardConfig,
  start: async (config, ctx) => await (await import('./service.ts')).startReward(config, ctx, process.env),
});
