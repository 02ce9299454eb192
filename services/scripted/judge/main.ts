import { runService } from '#platform/runtime/run-service.ts';
import { scriptedJudgeConfig } from './config.ts';
import { startScriptedJudge } from './service.ts';

await runService({ name: 'scripted-judge', config: scriptedJudgeConfig, start: startScriptedJudge });
