import { runService } from '#platform/runtime/run-service.ts';
import { scriptedEngineConfig } from './config.ts';

await runService({
  name: 'scripted-engine',
  config: scriptedEngineConfig,
  start: async (config, ctx) => await (await import('./service.ts')).startScriptedEngine(config, ctx),
});
