/** Who a client of NATS is: by its certificate, and by a user where one is given. */
import {
  credsAuthenticator,
  usernamePasswordAuthenticator,
  type Authenticator,
  type ConnectionOptions,
  type TlsOptions,
} from '@nats-io/transport-node';
import { readFile } from 'node:fs/promises';
import { TerminalError, errorFrom } from '../errors.ts';
import { inboxOf } from './permissions.ts';
import { nameOfRole } from '../security/roles.ts';
import type { Security } from '../security/security.ts';
import type { TlsMaterial } from '../security/tls-material.ts';

/** Options of a connection. The library reads certificates anew for each; a changed user needs a restart. */
export async function identification(
  security: Security | undefined,
): Promise<Pick<ConnectionOptions, 'tls' | 'authenticator' | 'inboxPrefix'>> {
  const { tls, natsCredentials } = security ?? {};
  return {
    ...(tls !== undefined && { tls: tlsOptions(tls.files), inboxPrefix: inboxOf(tls.roles[0] ?? 'nobody') }),
    ...(natsCredentials !== undefined && { authenticator: await readUser(natsCredentials) }),
  };
}

/** The server is known by its role, not by its address, as servers of gRPC are. The library passes on what it does not know to node:tls. */
function tlsOptions({ ca, cert, key }: TlsMaterial['files']): TlsOptions {
  const options = { caFile: ca, certFile: cert, keyFile: key, servername: nameOfRole('nats') };
  return options;
}

async function readUser(path: string): Promise<Authenticator> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const why = errorFrom(cause).message;
    throw new TerminalError('failed_precondition', `nats.credentials: '${path}' cannot be read: ${why}`, { cause });
  }
  const text = bytes.toString('utf8');
  if (text.includes('BEGIN NATS USER JWT')) return credsAuthenticator(bytes);
  const [user = '', password = '', ...more] = text.split('\n').filter((line) => line !== '');
  if (user !== '' && password !== '' && more.length === 0) return usernamePasswordAuthenticator(user, password);
  throw new TerminalError(
    'invalid_argument',
    `nats.credentials: '${path}' holds neither a user of JWT and seed (a .creds file) nor two lines with name and password`,
  );
}
