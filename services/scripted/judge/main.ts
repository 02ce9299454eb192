import { runService } from '#platform/runtime/run-service.ts';
import { scriptedJudgeConfig } from './config.ts';

await runService({
  name: 'scripted-judge',
  config: scriptedJudgeConfig,
  start: async (config, ctx) => await (await import('./service.ts')).startScriptedJudge(config, ctx),
});
