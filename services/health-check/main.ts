/** The health check of a container: asks the service of this container, by the settings that it has itself. Exits with 0 where it serves. */
import { checkHealth } from './check-health.ts';

try {
  process.exitCode = (await checkHealth(process.env)) === 'serving' ? 0 : 1;
} catch (error) {
  process.stderr.write(`health check: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
