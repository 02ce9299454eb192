import { userInfo } from 'node:os';
import { join } from 'node:path';
import { createAuditLog } from '#platform/security/audit-log.ts';
import type { AuditedValue } from '#platform/security/audit-log.ts';
import { createLogger } from '#platform/telemetry/logging.ts';

/** Of a home, or of a directory of credentials. */
export const auditFile = (directory: string): string => join(directory, 'audit.jsonl');

/** Does it as whoever is at this shell, and writes a line of it. */
export async function recordAtShell<T>(
  directory: string,
  operation: string,
  about: Readonly<Record<string, AuditedValue>>,
  act: () => Promise<T>,
): Promise<T> {
  const log = createLogger({ service: 'gradus', level: 'error' });
  const by = { user: userInfo().username, pid: process.pid };
  return await createAuditLog({ file: auditFile(directory), log }).record({ operation, by, about }, act);
}
