import { Option, type Command } from 'commander';
import { roleNames } from '#platform/security/roles.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { CredentialCommandOptions, TokenCommandOptions } from './credentials.ts';
import { several, wholeNumber } from './standard-options.ts';

const days = (byDefault: number): Option =>
  new Option('--days <n>', 'how long they are valid').argParser(wholeNumber).default(byDefault);

/** The commands of `gradus credentials`. */
export function addCredentialCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  const credentials = program.command('credentials').description('certificates, users of NATS and tokens for a fleet');
  credentials
    .command('init')
    .description('make a private authority, a certificate per service and the users of NATS')
    .argument('<directory>', 'new directory, for its owner alone')
    .addOption(
      several('--host <name>', 'name or address that servers are reached under, next to localhost; may be repeated'),
    )
    .addOption(days(90))
    .action(async (directory: string, options: CredentialCommandOptions) =>
      finish(await (await import('./credentials.ts')).initCommand(directory, options, terminal)),
    );
  credentials
    .command('renew')
    .description('make new certificates of the same authority; what runs takes them within seconds')
    .argument('<directory>', 'directory that init made')
    .addOption(days(90))
    .action(async (directory: string, options: Pick<CredentialCommandOptions, 'days'>) =>
      finish(await (await import('./credentials.ts')).renewCommand(directory, options, terminal)),
    );
  credentials
    .command('token')
    .description('make a bearer token for HTTP and print it; only its hash is kept')
    .argument('<directory>', 'directory that init made')
    .addOption(new Option('--role <role>', 'what its bearer may do').choices([...roleNames]).makeOptionMandatory())
    .addOption(new Option('--name <name>', 'whose it is, without spaces').default('token'))
    .addOption(days(30))
    .action(async (directory: string, options: TokenCommandOptions) =>
      finish(await (await import('./credentials.ts')).tokenCommand(directory, options, terminal)),
    );
}
