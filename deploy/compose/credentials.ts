/**
 * Certificates of a fleet of containers. `gradus credentials init`, or `renew` where that was before; then each folder next to the authority,
 * which is a volume of one service, gets what that service needs and nothing else. Usage: credentials.ts AUTHORITY FOLDERS
 */
import { readFile, readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { initCredentials, renewCredentials } from '#cli/credentials/write-credentials.ts';
import { credentialFiles, natsUsersFile } from '#fleet/credentials-directory.ts';
import { errorFrom, TerminalError } from '#platform/errors.ts';
import { writeAtomically } from '#platform/files/write-atomically.ts';
import { roleNames } from '#platform/security/roles.ts';

/** Each `docker compose up` renews them. */
const days = 90;

async function handOut(authority: string, folders: string): Promise<string[]> {
  const settings = { directory: authority, days, nowMs: Date.now() };
  if ((await readdir(authority)).length === 0) await initCredentials({ ...settings, hosts: [] });
  else await renewCredentials(settings);
  const names = (await readdir(folders)).filter((name) => resolve(folders, name) !== resolve(authority));
  for (const name of names) await fill(authority, join(folders, name));
  return names;
}

async function fill(authority: string, folder: string): Promise<void> {
  const role = basename(folder);
  if (!roleNames.includes(role))
    throw new TerminalError('invalid_argument', `${folder}: there is no role ${role}; roles: ${roleNames.join(', ')}`);
  const from = credentialFiles(authority, role);
  // A person's folder has the names that `gradus … --credentials FOLDER` reads. A service's has the same names in every container.
  const to =
    role === 'operator'
      ? credentialFiles(folder, role)
      : { ca: join(folder, 'ca.crt'), cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
  await copy(from.ca, to.ca);
  await copy(from.key, to.key);
  await copy(from.cert, to.cert);
  if (role === 'nats') await copy(natsUsersFile(authority), natsUsersFile(folder));
}

async function copy(from: string, to: string): Promise<void> {
  await writeAtomically(to, await readFile(from, 'utf8'));
}

try {
  const [authority, folders, ...more] = process.argv.slice(2);
  if (authority === undefined || folders === undefined || more.length > 0)
    throw new TerminalError('invalid_argument', 'usage: credentials.ts AUTHORITY FOLDERS');
  process.umask(0o077);
  const names = await handOut(authority, folders);
  process.stdout.write(`certificates for ${days} days: ${names.join(', ')}\n`);
} catch (error) {
  process.stderr.write(`credentials: ${errorFrom(error).message}\n`);
  process.exitCode = 1;
}
