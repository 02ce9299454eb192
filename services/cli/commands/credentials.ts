import { recordAtShell } from '#fleet/audit-file.ts';
import { TerminalError } from '#platform/errors.ts';
import { addToken, initCredentials, renewCredentials } from '../credentials/write-credentials.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface CredentialCommandOptions {
  readonly host: readonly string[];
  readonly days: number;
}

export interface TokenCommandOptions {
  readonly role: string;
  readonly name: string;
  readonly days: number;
}

export async function initCommand(
  directory: string,
  { host, days }: CredentialCommandOptions,
  terminal: Terminal,
): Promise<number> {
  await initCredentials({ directory, hosts: host, days, nowMs: Date.now() });
  // After it: the directory is new.
  await recordAtShell(directory, 'credentials init', { days, hosts: host.join(',') }, async () => undefined);
  terminal.out(
    `credentials for ${days} days in ${directory}; keep ca.key apart, it makes new ones\n` +
      `a fleet on this machine: gradus run RECIPE --credentials ${directory}`,
  );
  return exitCodes.ok;
}

export async function renewCommand(
  directory: string,
  { days }: Pick<CredentialCommandOptions, 'days'>,
  terminal: Terminal,
): Promise<number> {
  await recordAtShell(directory, 'credentials renew', { days }, () =>
    renewCredentials({ directory, days, nowMs: Date.now() }),
  );
  terminal.out(`new certificates for ${days} days in ${directory}`);
  return exitCodes.ok;
}

export async function tokenCommand(
  directory: string,
  { role, name, days }: TokenCommandOptions,
  terminal: Terminal,
): Promise<number> {
  if (!/^[\w.-]{1,64}$/.test(name))
    throw new TerminalError('invalid_argument', `--name is '${name}'; it must be 1 to 64 letters, digits, ., _ and -`);
  terminal.out(
    await recordAtShell(directory, 'credentials token', { role, name, days }, () =>
      addToken({ directory, role, name, days, nowMs: Date.now() }),
    ),
  );
  return exitCodes.ok;
}
