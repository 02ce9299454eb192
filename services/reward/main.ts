import { runService } from '#platform/runtime/run-service.ts';
import { rewardConfig } from './config.ts';
import { startReward } from './service.ts';

await runService({
  name: 'reward',
  config: rewardConfig,
  start: (config, ctx) => startReward(config, ctx, process.env),
});
