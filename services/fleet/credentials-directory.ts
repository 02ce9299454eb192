/** The files of a directory that `gradus credentials init` makes, and what a process on this machine connects with by them. */
import { join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import type { RoleName } from '#platform/security/roles.ts';
import { openSecurity, type Security } from '#platform/security/security.ts';
import { createLogger, type Logger } from '#platform/telemetry/logging.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import { flags } from './planned-service.ts';

export function credentialFiles(directory: string, role: RoleName): { ca: string; cert: string; key: string } {
  return {
    ca: join(directory, 'ca.crt'),
    cert: join(directory, `${role}.crt`),
    key: join(directory, `${role}.key`),
  };
}

export const tokensFile = (directory: string): string => join(directory, 'tokens');
/** The users of NATS, to be included by the configuration of a server. */
export const natsUsersFile = (directory: string): string => join(directory, 'nats-users.conf');

/** The certificate that a service is started with: the scripted judge has that of the service whose part it is. */
export function roleOf(service: string): RoleName {
  return service === 'scripted-judge' ? 'reward' : service;
}

/** What a service of this machine is started with. */
export function credentialFlags(directory: string | undefined, role: RoleName): string[] {
  if (directory === undefined) return [];
  const { ca, cert, key } = credentialFiles(directory, role);
  return flags({ 'tls-ca': ca, 'tls-cert': cert, 'tls-key': key });
}

export interface FleetSecurityOptions {
  readonly log?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
  /** As long as new certificates are looked for; absent: the present ones are enough. */
  readonly signal?: AbortSignal | undefined;
}

/** As the operator, who starts fleets and asks them. Undefined without a directory: the fleet has no certificates. */
export async function openOperator(
  directory: string | undefined,
  options: FleetSecurityOptions = {},
): Promise<Security | undefined> {
  if (directory === undefined) return undefined;
  try {
    return await openSecurity(
      { tls: credentialFiles(directory, 'operator'), nats: {} },
      {
        log: options.log ?? createLogger({ service: 'gradus', level: 'error' }),
        metrics: options.metrics,
        signal: options.signal ?? AbortSignal.abort(),
      },
    );
  } catch (cause) {
    throw new TerminalError(
      'failed_precondition',
      `--credentials: ${directory} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}; ` +
        `'gradus credentials init ${directory}' makes it, 'gradus credentials renew ${directory}' renews it`,
      { cause },
    );
  }
}
