import { runService } from '#platform/runtime/run-service.ts';
import { scriptedLearnerConfig } from './config.ts';
import { startScriptedLearner } from './service.ts';

await runService({ name: 'scripted-learner', config: scriptedLearnerConfig, start: startScriptedLearner });
