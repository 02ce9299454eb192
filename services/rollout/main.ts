import { runService } from '#platform/runtime/run-service.ts';
import { rolloutConfig } from './config.ts';

await runService({
  name: 'rollout',
  config: rolloutConfig,
  start: async (config, ctx) => await (await import('./service.ts')).startRollout(config, ctx, process.env),
});
