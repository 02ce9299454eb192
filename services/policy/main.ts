import { runService } from '#platform/runtime/run-service.ts';
import { policyConfig } from './config.ts';

await runService({
  name: 'policy',
  config: policyConfig,
  start: async (config, ctx) => await (await import('./service.ts')).startPolicy(config, ctx),
});
