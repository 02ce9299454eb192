import { runService } from '#shared/runtime/run-service.ts';
import { policyConfig } from './config.ts';
import { startPolicy } from './service.ts';

await runService({ name: 'policy', config: policyConfig, start: startPolicy });
