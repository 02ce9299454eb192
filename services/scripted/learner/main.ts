import { runService } from '#platform/runtime/run-service.ts';
import { scriptedLearnerConfig } from './config.ts';

await runService({
  name: 'scripted-learner',
  config: scriptedLearnerConfig,
  start: async (config, ctx) => await (await import('./service.ts')).startScriptedLearner(config, ctx),
});
