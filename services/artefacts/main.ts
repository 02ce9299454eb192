import { runService } from '#platform/runtime/run-service.ts';
import { artefactsConfig } from './config.ts';

// The variables of S3's tools, which name no setting of ours.
const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env;

await runService({
  name: 'artefacts',
  config: artefactsConfig,
  start: async (config, ctx) =>
    await (await import('./service.ts')).startArtefacts(config, ctx, { accessKeyId, secretAccessKey }),
});
