/** Makes and renews a directory of credentials. Everything in it is for its owner alone. */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { credentialFiles, natsUsersFile, tokensFile } from '#fleet/credentials-directory.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { isMissing } from '#platform/files/file-error.ts';
import { writeAtomically } from '#platform/files/write-atomically.ts';
import { natsUsers, natsTls } from '#platform/nats/permissions.ts';
import { digestOf, tokenLine } from '#platform/security/bearer-tokens.ts';
import { nameOfRole, roleNames, type RoleName } from '#platform/security/roles.ts';
import { createAuthority, signCertificate, type KeyPair } from './authority.ts';

export interface CredentialOptions {
  readonly directory: string;
  /** Names and addresses that servers are reached under by people's tools, next to localhost. Services know each other by role. */
  readonly hosts: readonly string[];
  /** Of the certificates. */
  readonly days: number;
  readonly nowMs: number;
}

/** Ten years: its end means new files on every machine. */
const authorityDays = 3650;
const authorityKey = (directory: string): string => join(directory, 'ca.key');
const hostsFile = (directory: string): string => join(directory, 'hosts');

/** What stands for a file that is not there; any other fault is thrown. */
const unlessMissing =
  <Value>(value: Value) =>
  (thrown: unknown): Value => {
    if (isMissing(thrown)) return value;
    throw thrown;
  };

/** Throws where there is something already: credentials in use are renewed, not replaced. */
export async function initCredentials(options: CredentialOptions): Promise<void> {
  const directory = resolve(options.directory);
  const present = await readdir(directory).catch(unlessMissing<string[]>([]));
  if (present.length > 0)
    throw new TerminalError(
      'already_exists',
      `${directory} is not empty; choose another directory, or renew what is there: gradus credentials renew ${directory}`,
    );
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const authority = await createAuthority('gradus', { fromMs: options.nowMs, days: authorityDays });
  await write(authorityKey(directory), authority.key);
  await write(join(directory, 'ca.crt'), authority.cert);
  await write(hostsFile(directory), `${options.hosts.join('\n')}\n`);
  await write(
    tokensFile(directory),
    '# <role> <SHA-256 of a token> <expiry> <name>; gradus credentials token adds a line\n',
  );
  await write(natsUsersFile(directory), natsUsers());
  await write(
    join(directory, 'nats-server.conf'),
    `# For a nats-server of your own: nats-server --config nats-server.conf, started in this directory.\n` +
      natsTls({ ca: 'ca.crt', cert: 'nats.crt', key: 'nats.key' }) +
      `include nats-users.conf\njetstream { store_dir: "store", max_file_store: 10GB }\nmax_payload: 8MB\n`,
  );
  await signAll(directory, authority, options);
}

/** New certificates and keys of the same authority, in the same files: whatever uses them takes them within seconds. */
export async function renewCredentials({
  directory: named,
  days,
  nowMs,
}: Omit<CredentialOptions, 'hosts'>): Promise<void> {
  const directory = resolve(named);
  const authority = await readAuthority(directory);
  const hosts = (await readFile(hostsFile(directory), 'utf8').catch(unlessMissing(''))).split('\n').filter(Boolean);
  await write(natsUsersFile(directory), natsUsers());
  await signAll(directory, authority, { hosts, days, nowMs });
}

async function signAll(
  directory: string,
  authority: KeyPair,
  { hosts, days, nowMs }: Omit<CredentialOptions, 'directory'>,
): Promise<void> {
  for (const role of roleNames) {
    const names = [nameOfRole(role), 'localhost', '127.0.0.1', '::1', ...hosts];
    const { cert, key } = await signCertificate(authority, names, { fromMs: nowMs, days });
    const files = credentialFiles(directory, role);
    await write(files.key, key);
    await write(files.cert, cert);
  }
}

export interface NewToken {
  readonly directory: string;
  readonly role: RoleName;
  readonly name: string;
  readonly days: number;
  readonly nowMs: number;
}

/** Adds a bearer token; what is returned is kept nowhere. */
export async function addToken({ directory, role, name, days, nowMs }: NewToken): Promise<string> {
  const path = tokensFile(resolve(directory));
  const before = await readFile(path, 'utf8').catch((thrown: unknown) => {
    throw new TerminalError(
      'not_found',
      `${path} cannot be read: ${errorFrom(thrown).message}; gradus credentials init makes it`,
    );
  });
  const token = `gradus_${randomBytes(32).toString('base64url')}`;
  const expiresMs = nowMs + days * 24 * 3600_000;
  await write(path, before + tokenLine({ role, digest: digestOf(token), expiresMs, name }));
  return token;
}

async function readAuthority(directory: string): Promise<KeyPair> {
  const one = async (path: string): Promise<string> => {
    try {
      return await readFile(path, 'utf8');
    } catch (cause) {
      throw new TerminalError(
        'not_found',
        `${path} cannot be read: ${errorFrom(cause).message}; certificates are renewed where their authority is`,
        { cause },
      );
    }
  };
  return { cert: await one(join(directory, 'ca.crt')), key: await one(authorityKey(directory)) };
}

async function write(path: string, text: string): Promise<void> {
  const before = process.umask(0o077);
  try {
    await writeAtomically(path, text);
  } finally {
    process.umask(before);
  }
  const { mode } = await stat(path);
  // oxlint-disable-next-line no-bitwise -- permissions
  if ((mode & 0o077) !== 0) throw new TerminalError('internal', `${path} can be read by others; remove it`);
}
