/**
 * Tokens that HTTP servers take in place of a certificate, from a file with their hashes, read again when it changes. A line per token:
 *
 *     <role> <SHA-256 of the token, hex> <expiry, ISO 8601> <name>
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { TerminalError, errorFrom } from '../errors.ts';
import type { Logger } from '../telemetry/logging.ts';
import { lookAgain } from './look-again.ts';
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

interface ParsedTokens {
  readonly tokens: readonly KnownToken[];
  /** Of every line that is wrong. */
  readonly problem: TerminalError | undefined;
}

export function parseTokens(text: string, path: string): ParsedTokens {
  const problems: string[] = [];
  const tokens = text.split('\n').flatMap((line, index): KnownToken[] => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const [role = '', digest = '', expiry = '', name = ''] = line.trim().split(/\s+/);
    const expiresMs = Date.parse(expiry);
    if (roleNames.includes(role) && /^[0-9a-f]{64}$/.test(digest) && !Number.isNaN(expiresMs) && name !== '')
      return [{ role, digest, expiresMs, name }];
    // Not the line itself: somebody may have put a token there.
    problems.push(`line ${index + 1} is not '<role> <sha-256 in hex> <expiry> <name>'; roles: ${roleNames.join(', ')}`);
    return [];
  });
  return {
    tokens,
    problem:
      problems.length === 0
        ? undefined
        : new TerminalError('invalid_argument', `tls.tokens: ${path}: ${problems.join('; ')}`),
  };
}

export interface BearerTokensOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly lookEveryMs?: number | undefined;
}

/** Throws TerminalError for a file that is wrong at first. Later the lines that hold are used and the others are logged: a token that was taken out is gone. */
export async function openBearerTokens(
  file: string,
  { log, signal, lookEveryMs = 5_000 }: BearerTokensOptions,
): Promise<BearerTokens> {
  const path = resolve(file);
  let text: string | undefined = await readText(path);
  const first = parseTokens(text, path);
  if (first.problem !== undefined) throw first.problem;
  let known = byDigest(first.tokens);
  lookAgain(lookEveryMs, signal, async () => {
    const now = await readText(path).catch((thrown: unknown) => {
      // Said once: it is looked for every few seconds.
      if (text !== undefined)
        log.warn({ err: errorFrom(thrown) }, 'the file of tokens cannot be read; the tokens of before stay');
      return undefined;
    });
    if (now === text) return;
    text = now;
    if (now === undefined) return;
    const { tokens, problem } = parseTokens(now, path);
    known = byDigest(tokens);
    if (problem !== undefined) log.warn({ err: problem }, 'lines of the file of tokens are passed over');
    log.info({ tokens: known.size }, 'new tokens are used');
  });
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
