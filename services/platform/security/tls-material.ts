/**
 * The certificate of this process, its key and the authority that it trusts, read from files and read again when they change: what has
 * just connected goes on with what it had, every later connection has the new ones. Files that are replaced one after the other do not fit for
 * a moment; what does not fit, or cannot be read, is not taken, and the old ones stay.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { TerminalError, errorFrom } from '../errors.ts';
import type { Logger } from '../telemetry/logging.ts';
import { lookAgain } from './look-again.ts';
import { rolesOf, type RoleName } from './roles.ts';
import type { TlsSettings } from './security-fields.ts';

/** PEM. */
export interface Pems {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface TlsMaterial {
  /** Absolute paths, for libraries that read them at each connection. */
  readonly files: { readonly ca: string; readonly cert: string; readonly key: string };
  /** What is true now. */
  readonly pems: Pems;
  readonly roles: readonly RoleName[];
  /** Of our own certificate, in milliseconds since the epoch. */
  readonly expiresMs: number;
  /** Called with what is true now, and after each change. Gives the function that withdraws it. */
  follow(listener: (pems: Pems) => void): () => void;
}

export interface TlsMaterialOptions {
  readonly log: Logger;
  /** Ends the watching. */
  readonly signal: AbortSignal;
  /** Default 5 s. */
  readonly lookEveryMs?: number | undefined;
}

const warnBeforeMs = 14 * 24 * 3600_000;
const warnEveryMs = 6 * 3600_000;

/** Throws TerminalError for files that cannot be read, do not fit together, or hold a certificate that is over. */
export async function openTlsMaterial(
  files: TlsMaterial['files'],
  { log, signal, lookEveryMs = 5_000 }: TlsMaterialOptions,
): Promise<TlsMaterial> {
  const paths = { ca: resolve(files.ca), cert: resolve(files.cert), key: resolve(files.key) };
  const listeners = new Set<(pems: Pems) => void>();
  let now = check(await read(paths), paths);
  if (now.expiresMs <= Date.now()) throw over(paths.cert, now.expiresMs);
  let refused: Pems | undefined;
  let warnedMs = -Infinity;

  function warnOfEnd(): void {
    const leftMs = now.expiresMs - Date.now();
    if (leftMs > warnBeforeMs || performance.now() - warnedMs < warnEveryMs) return;
    warnedMs = performance.now();
    const about = { certificate: paths.cert, expires: new Date(now.expiresMs).toISOString() };
    if (leftMs <= 0) log.error(about, 'the certificate of this service is over: nobody accepts it; renew it');
    else log.warn(about, 'the certificate of this service is over soon; renew it (gradus credentials renew)');
  }

  async function look(): Promise<void> {
    let found: Pems | undefined;
    try {
      found = await read(paths);
      if (same(found, now.pems)) return;
      const next = check(found, paths);
      now = next;
      refused = undefined;
      warnedMs = -Infinity;
      log.info(
        { certificate: paths.cert, expires: new Date(next.expiresMs).toISOString() },
        'new certificates are used',
      );
    } catch (thrown) {
      // Said once of the same files: they are looked at every few seconds.
      if (found === undefined || refused === undefined || !same(found, refused))
        log.warn(
          { err: errorFrom(thrown) },
          'the files of certificates have changed and cannot be used; the old ones stay',
        );
      refused = found;
      return;
    }
    for (const listener of listeners) listener(now.pems);
  }

  warnOfEnd();
  lookAgain(lookEveryMs, signal, async () => {
    await look();
    warnOfEnd();
  });

  return {
    files: paths,
    get pems() {
      return now.pems;
    },
    get roles() {
      return now.roles;
    },
    get expiresMs() {
      return now.expiresMs;
    },
    follow(listener) {
      listeners.add(listener);
      listener(now.pems);
      return () => void listeners.delete(listener);
    },
  };
}

/** The three files of settings that name them all; undefined where they name none. */
export function tlsFilesOf({ ca, cert, key }: TlsSettings): TlsMaterial['files'] | undefined {
  return ca === undefined || cert === undefined || key === undefined ? undefined : { ca, cert, key };
}

async function read(paths: TlsMaterial['files']): Promise<Pems> {
  const one = async (field: keyof Pems): Promise<Buffer> => {
    try {
      return await readFile(paths[field]);
    } catch (cause) {
      const why = errorFrom(cause).message;
      throw new TerminalError('failed_precondition', `tls.${field}: '${paths[field]}' cannot be read: ${why}`, {
        cause,
      });
    }
  };
  const [ca, cert, key] = await Promise.all([one('ca'), one('cert'), one('key')]);
  return { ca, cert, key };
}

interface Checked {
  readonly pems: Pems;
  readonly roles: readonly RoleName[];
  readonly expiresMs: number;
}

function check(pems: Pems, paths: TlsMaterial['files']): Checked {
  try {
    createSecureContext(pems);
    const certificate = new X509Certificate(pems.cert);
    return { pems, roles: rolesOf(certificate), expiresMs: Date.parse(certificate.validTo) };
  } catch (cause) {
    // OpenSSL's words name no file, and never what is in one.
    const why = errorFrom(cause).message;
    throw new TerminalError(
      'failed_precondition',
      `tls.ca, tls.cert and tls.key: ${Object.values(paths).join(', ')} are not PEM files that fit together: ${why}`,
      { cause },
    );
  }
}

function over(path: string, expiresMs: number): TerminalError {
  return new TerminalError(
    'failed_precondition',
    `tls.cert: '${path}' was valid until ${new Date(expiresMs).toISOString()}; renew it, for example with gradus credentials renew`,
  );
}

function same(a: Pems, b: Pems): boolean {
  return a.ca.equals(b.ca) && a.cert.equals(b.cert) && a.key.equals(b.key);
}
