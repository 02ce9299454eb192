import { runService } from '#platform/runtime/run-service.ts';
import { endpointPolicyConfig } from './config.ts';

await runService({
  name: 'endpoint-policy',
  config: endpointPolicyConfig,
  start: async (config, ctx) => await (await import('./service.ts')).startEndpointPolicy(config, ctx, process.env),
});
