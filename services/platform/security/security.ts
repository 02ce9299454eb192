/** What secures the connections of one process: made once from its settings, and handed to every client and server of it. */
import { resolve } from 'node:path';
import type { Logger } from '../telemetry/logging.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createAuditLog, type AuditLog } from './audit-log.ts';
import { openBearerTokens, type BearerTokens } from './bearer-tokens.ts';
import { createRefusals, type Refusals } from './refusals.ts';
import type { SecuritySettings } from './security-fields.ts';
import { openTlsMaterial, tlsFilesOf, type TlsMaterial } from './tls-material.ts';

export interface Security {
  /** Absent: connections are plain, for this machine or a network that is trusted in words. */
  readonly tls: TlsMaterial | undefined;
  /** Of HTTP servers, next to certificates. */
  readonly tokens: BearerTokens | undefined;
  /** Absolute path; see `nats.credentials`. */
  readonly natsCredentials: string | undefined;
  readonly refusals: Refusals | undefined;
  /** Of servers: what is done to the fleet. */
  readonly audit: AuditLog;
}

export interface SecurityOptions {
  readonly log: Logger;
  readonly metrics?: Metrics | undefined;
  readonly signal: AbortSignal;
  readonly lookEveryMs?: number | undefined;
}

export async function openSecurity(
  { tls, nats, auditFile }: SecuritySettings,
  options: SecurityOptions,
): Promise<Security> {
  const { log, metrics } = options;
  const files = tlsFilesOf(tls);
  const material = files === undefined ? undefined : await openTlsMaterial(files, options);
  if (material !== undefined) {
    metrics?.gauge(
      'gradus_certificate_expiry_seconds',
      'End of the certificate of this process, in seconds since the epoch.',
      [],
      () => material.expiresMs / 1000,
    );
  }
  return {
    tls: material,
    tokens: tls.tokens === undefined ? undefined : await openBearerTokens(tls.tokens, options),
    natsCredentials: nats.credentials === undefined ? undefined : resolve(nats.credentials),
    refusals: metrics === undefined ? undefined : createRefusals(metrics, log),
    audit: createAuditLog({ file: auditFile, log }),
  };
}
