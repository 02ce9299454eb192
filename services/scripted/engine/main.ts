import { runService } from '#platform/runtime/run-service.ts';
import { scriptedEngineConfig } from './config.ts';
import { startScriptedEngine } from './service.ts';

await runService({ name: 'scripted-engine', config: scriptedEngineConfig, start: startScriptedEngine });
