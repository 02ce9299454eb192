import { runService } from '#shared/runtime/run-service.ts';
import { retrievalConfig } from './config.ts';
import { startRetrieval } from './service.ts';

await runService({ name: 'retrieval', config: retrievalConfig, start: startRetrieval });
