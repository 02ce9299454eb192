import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import pino from 'pino';
import { onTestFinished } from 'vitest';
import { signCertificate } from '../../services/cli/credentials/authority.ts';
import { initCredentials } from '../../services/cli/credentials/write-credentials.ts';
import { credentialFiles } from '../../services/fleet/credentials-directory.ts';
import { readFile } from 'node:fs/promises';
import type { Metrics } from '../../services/platform/telemetry/metrics.ts';
import { openSecurity, type Security } from '../../services/platform/security/security.ts';
import type { Pems } from '../../services/platform/security/tls-material.ts';

const dayMs = 24 * 3600_000;

/** A directory of `gradus credentials init`, removed with the test. */
export async function newCredentials(hosts: readonly string[] = []): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-credentials-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await initCredentials({ directory, hosts, days: 1, nowMs: Date.now() });
  return directory;
}

export async function pemsOf(directory: string, role: string): Promise<Pems> {
  const { ca, cert, key } = credentialFiles(directory, role);
  const [a, b, c] = await Promise.all([ca, cert, key].map((path) => readFile(path)));
  return { ca: a ?? Buffer.of(), cert: b ?? Buffer.of(), key: c ?? Buffer.of() };
}

/** A certificate of the same authority that was valid until an hour ago. */
export async function expiredPems(directory: string, role: string): Promise<Pems> {
  const authority = {
    cert: await readFile(join(directory, 'ca.crt'), 'utf8'),
    key: await readFile(join(directory, 'ca.key'), 'utf8'),
  };
  const validity = { fromMs: Date.now() - dayMs - 3600_000, days: 1 };
  const { cert, key } = await signCertificate(authority, [`${role}.gradus.internal`, 'localhost'], validity);
  return { ca: Buffer.from(authority.cert), cert: Buffer.from(cert), key: Buffer.from(key) };
}

/** What a process of this role is given. */
export async function securityOf(
  directory: string,
  role: string,
  metrics?: Metrics,
  lookEveryMs?: number,
): Promise<Security> {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  return await openSecurity(
    { tls: { ...credentialFiles(directory, role), tokens: join(directory, 'tokens') }, nats: {} },
    { log: pino({ level: 'silent' }), metrics, signal: stop.signal, lookEveryMs },
  );
}

/** Whether a gRPC server takes a connection: one that does speaks first. TLS 1.3 tells a client late that it is refused. */
export async function isTaken(address: string, pems: Partial<Pems>): Promise<boolean> {
  const colon = address.lastIndexOf(':');
  const socket = connect({
    host: address.slice(0, colon),
    port: Number(address.slice(colon + 1)),
    ALPNProtocols: ['h2'],
    ...pems,
    rejectUnauthorized: false,
  });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('secureConnect', () => socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'));
  socket.once('data', () => resolve(true));
  socket.once('error', () => resolve(false));
  socket.once('close', () => resolve(false));
  socket.setTimeout(120_000, () => socket.destroy(new Error('neither taken nor refused within 120 s')));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

/** Of /metrics, the number of a series; 0 where it has none yet. */
export function valueOf(text: string, series: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

export async function replaceFiles(directory: string, role: string, pems: Pems): Promise<void> {
  const files = credentialFiles(directory, role);
  await writeFile(files.key, pems.key);
  await writeFile(files.cert, pems.cert);
}
