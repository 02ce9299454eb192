import { runService } from '#platform/runtime/run-service.ts';
import { retrievalConfig } from './config.ts';
import { hubSettingsFrom } from './models/hub-settings.ts';

// The variables of Hugging Face's libraries, which name no setting of ours.
const hub = hubSettingsFrom(process.env);

await runService({
  name: 'retrieval',
  config: retrievalConfig,
  start: async (config, ctx) => await (await import('./service.ts')).startRetrieval(config, ctx, hub),
});
