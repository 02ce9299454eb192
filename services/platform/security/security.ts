/** What secures the connections of one process: made once from its settings, and handed to every client and server of it. */
import { resolve } from 'node:path';
import { TerminalError } from '../errors.ts';
import type { Logger } from '../telemetry/logging.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createAuditLog, type AuditLog } from './audit-log.ts';
import { openBearerTokens, type BearerTokens } from './bearer-tokens.ts';
import { oidcSettingsOf } from './oidc-fields.ts';
import { openOidcTokens, type OidcTokens } from './oidc-tokens.ts';
import { createRefusals, type Refusals } from './refusals.ts';
import { createRequestRate, type RequestRate } from './request-rate.ts';
import type { SecuritySettings } from './security-fields.ts';
import { openTlsMaterial, tlsFilesOf, type TlsMaterial } from './tls-material.ts';

export interface Security {
  /** Absent: connections are plain, for this machine or a network that is trusted in words. */
  readonly tls: TlsMaterial | undefined;
  /** Of HTTP servers, next to certificates. */
  readonly tokens: BearerTokens | undefined;
  /** Of HTTP servers, too: those of an identity provider. */
  readonly oidc: OidcTokens | undefined;
  /** Absolute path; see `nats.credentials`. */
  readonly natsCredentials: string | undefined;
  readonly refusals: Refusals | undefined;
  /** Of servers: of callers that are no services. Absent: there is no limit. */
  readonly requestRate: RequestRate | undefined;
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
  { tls, nats, auditFile, oidc, requestRate = 0 }: SecuritySettings,
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
  const provider = oidc && oidcSettingsOf(oidc);
  if (provider !== undefined && material === undefined)
    throw new TerminalError(
      'invalid_argument',
      'oidc.issuer: tokens in the clear could be read by anyone; give tls.ca, tls.cert and tls.key, too',
    );
  return {
    tls: material,
    tokens: tls.tokens === undefined ? undefined : await openBearerTokens(tls.tokens, options),
    oidc: provider === undefined ? undefined : await openOidcTokens(provider, options),
    natsCredentials: nats.credentials === undefined ? undefined : resolve(nats.credentials),
    refusals: metrics === undefined ? undefined : createRefusals(metrics, log),
    requestRate: requestRate > 0 ? createRequestRate(requestRate) : undefined,
    audit: createAuditLog({ file: auditFile, log }),
  };
}
