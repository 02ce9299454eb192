import { runService } from '#platform/runtime/run-service.ts';
import { policyConfig } from './config.ts';
import { startPolicy } from './service.ts';

await runService({ name: 'policy', config: policyConfig, start: startPolicy });
