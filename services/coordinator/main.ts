import { runService } from '#platform/runtime/run-service.ts';
import { coordinatorConfig } from './config.ts';
import { startCoordinator } from './service.ts';

await runService({ name: 'coordinator', config: coordinatorConfig, start: startCoordinator });
