import { runService } from '#platform/runtime/run-service.ts';
import { coordinatorConfig } from './config.ts';

await runService({
  name: 'coordinator',
  config: coordinatorConfig,
  start: async (config, ctx) => await (await import('./service.ts')).startCoordinator(config, ctx),
});
