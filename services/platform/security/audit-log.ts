/**
 * Who did what to a fleet, when, and what came of it: a JSON object a line, in a file that several processes append to. Secrets and whole
 * documents are not in it: of what is long there is a digest.
 */
import { createHash } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { errorFrom } from '../errors.ts';
import type { Logger } from '../telemetry/logging.ts';
import { shortText } from '../text/show-value.ts';

/** Whoever asked over the network, or a person at a shell of this machine. */
export type Doer =
  | { readonly peer: string; readonly roles?: readonly string[]; readonly certificate?: string }
  | { readonly user: string; readonly pid: number };

export interface Operation {
  /** `SubmitRun`, `credentials renew`. */
  readonly operation: string;
  readonly by: Doer;
  /** What it was about, by the names of the request; see `auditedValue`. */
  readonly about: Readonly<Record<string, AuditedValue>>;
}

export type AuditedValue =
  | string
  | number
  | boolean
  | { readonly bytes: number; readonly sha256: string }
  | readonly string[];

export interface AuditLog {
  /** Does it, and gives or throws what it does once its line is written. A line that cannot be written is logged, and stops nobody. */
  record<T>(operation: Operation, act: () => Promise<T>): Promise<T>;
}

const longestText = 200;
const longestMessage = 500;

/** Short values as they are; of longer ones their length and digest. */
export function auditedValue(value: string | number | bigint | boolean): AuditedValue {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'string' || value.length <= longestText) return value;
  return { bytes: Buffer.byteLength(value), sha256: createHash('sha256').update(value).digest('hex') };
}

/** Without `file` the lines are in the log of the process alone. */
export function createAuditLog({
  file,
  log,
}: {
  readonly file: string | undefined;
  readonly log: Pick<Logger, 'info' | 'error'>;
}): AuditLog {
  const path = file === undefined ? undefined : resolve(file);

  async function write(line: object): Promise<void> {
    log.info({ audit: line }, 'an operation');
    if (path === undefined) return;
    try {
      // One write of a line that is shorter than a page: lines of several processes do not mix.
      await appendFile(path, `${JSON.stringify(line)}\n`, { mode: 0o600 });
    } catch (thrown) {
      log.error({ err: errorFrom(thrown), file: path, audit: line }, 'an operation cannot be written to the audit log');
    }
  }

  return {
    async record(operation, act) {
      const time = new Date().toISOString();
      const startedMs = performance.now();
      const tookMs = (): number => Math.round(performance.now() - startedMs);
      try {
        const answer = await act();
        await write({ time, ...operation, result: 'ok', tookMs: tookMs() });
        return answer;
      } catch (thrown) {
        const { code, message } = errorFrom(thrown);
        await write({
          time,
          ...operation,
          result: code,
          message: shortText(message, longestMessage),
          tookMs: tookMs(),
        });
        throw thrown;
      }
    },
  };
}
