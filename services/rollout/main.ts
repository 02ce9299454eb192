import { runService } from '#platform/runtime/run-service.ts';
import { rolloutConfig } from './config.ts';
import { startRollout } from './service.ts';

await runService({
  name: 'rollout',
  config: rolloutConfig,
  start: (config, ctx) => startRollout(config, ctx, process.env),
});
