import { runService } from '#platform/runtime/run-service.ts';
import { endpointPolicyConfig } from './config.ts';
import { startEndpointPolicy } from './service.ts';

await runService({
  name: 'endpoint-policy',
  config: endpointPolicyConfig,
  start: (config, ctx) => startEndpointPolicy(config, ctx, process.env),
});
