import { runService } from '#platform/runtime/run-service.ts';
import { engineSidecarConfig } from './config.ts';

await runService({
  name: 'engine-sidecar',
  config: engineSidecarConfig,
  start: async (config, ctx) => await (await import('./service.ts')).startEngineSidecar(config, ctx, process.env),
});
