import { createHealthClient, type Health } from '#platform/grpc/health-client.ts';
import { baseConfig, loadConfig } from '#platform/runtime/config.ts';
import { openSecurity } from '#platform/security/security.ts';
import { createLogger } from '#platform/telemetry/logging.ts';

const timeoutMs = 8_000;

/** Throws TransientError where nothing answers, TerminalError('invalid_argument') for settings that no service starts with. */
export async function checkHealth(env: NodeJS.ProcessEnv): Promise<Health> {
  const config = loadConfig(baseConfig, { env, argv: [] });
  const over = new AbortController();
  const log = createLogger({ service: 'health-check', level: 'silent' });
  const security = await openSecurity(config, { log, signal: over.signal });
  using client = createHealthClient(addressHere(config.grpc), '', security);
  try {
    return await client.ask(timeoutMs);
  } finally {
    over.abort();
  }
}

/** `0.0.0.0` and `[::]` say where a service listens: from here it is this machine. */
export function addressHere(grpc: string): string {
  return grpc.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:');
}
