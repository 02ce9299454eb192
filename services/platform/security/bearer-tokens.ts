/**
 * Tokens that HTTP servers take in place of a certificate, from a file with their hashes, read again when it changes. A line per token:
 *
 *     <role> <SHA-256 of the token, hex> <expiry, ISO 8601> <name>
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { sleep } from '../async/sleep.ts';
import { TerminalError, errorFrom } from '../errors.ts';
import type { Logger } from '../telemetry/logging.ts';
import { roleNames, type RoleName } from './roles.ts';

export interface KnownToken {
  readonly role: RoleName;
  readonly digest: string;
  readonly expiresMs: number;
  readonly name: string;
}

export interface BearerTokens {
  /** Undefined for one that is unknown, or over. */
  find(token: string): KnownToken | undefined;
}

/** Of a token, as the file has it. Tokens are 256 random bits, so that a plain hash is enough. */
export function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export function tokenLine({ role, digest, expiresMs, name }: KnownToken): string {
  return `${role} ${digest} ${new Date(expiresMs).toISOString()} ${name}\n`;
}

/** Throws TerminalError that names every line that is wrong. */
export function parseTokens(text: string, path: string): readonly KnownToken[] {
  const problems: string[] = [];
  const tokens = text.split('\n').flatMap((line, index): KnownToken[] => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const [role = '', digest = '', expiry = '', name = ''] = line.trim().split(/\s+/);
    const expiresMs = Date.parse(expiry);
    if (roleNames.includes(role) && /^[0-9a-f]{64}$/.test(digest) && !Number.isNaN(expiresMs))
      return [{ role, digest, expiresMs, name }];
    // Not the line itself: somebody may have put a token there.
    problems.push(`line ${index + 1} is not '<role> <sha-256 in hex> <expiry> <name>'; roles: ${roleNames.join(', ')}`);
    return [];
  });
  if (problems.length > 0) throw new TerminalError('invalid_argument', `tls.tokens: ${path}: ${problems.join('; ')}`);
  return tokens;
}

export interface BearerTokensOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly lookEveryMs?: number | undefined;
}

export async function openBearerTokens(
  file: string,
  { log, signal, lookEveryMs = 5_000 }: BearerTokensOptions,
): Promise<BearerTokens> {
  const path = resolve(file);
  let text = await readText(path);
  let known = byDigest(parseTokens(text, path));
  void (async () => {
    while (!signal.aborted) {
      await sleep(lookEveryMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const now = await readText(path);
        if (now === text) continue;
        text = now;
        known = byDigest(parseTokens(now, path));
        log.info({ tokens: known.size }, 'new tokens are used');
      } catch (thrown) {
        log.warn({ err: errorFrom(thrown) }, 'the file of tokens cannot be used; the tokens of before stay');
      }
    }
  })();
  return {
    find(token) {
      // By its digest: how long the look takes says nothing of the token.
      const found = known.get(digestOf(token));
      return found !== undefined && found.expiresMs > Date.now() ? found : undefined;
    },
  };
}

function byDigest(tokens: readonly KnownToken[]): ReadonlyMap<string, KnownToken> {
  return new Map(tokens.map((token) => [token.digest, token]));
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const why = errorFrom(cause).message;
    throw new TerminalError('failed_precondition', `tls.tokens: '${path}' cannot be read: ${why}`, { cause });
  }
}
