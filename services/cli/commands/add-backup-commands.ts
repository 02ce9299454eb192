import type { Command } from 'commander';
import type { Terminal } from '../terminal/terminal.ts';
import type { BackupOptions, RestoreOptions } from './backup.ts';
import { home } from './standard-options.ts';

/** `gradus backup` and `gradus restore`. */
export function addBackupCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  program
    .command('backup')
    .description('copy a home in which no fleet runs, with the digest of each file')
    .requiredOption('--out <dir>', 'folder of the backup, empty or not there, outside the home')
    .addOption(home())
    .action(async (options: BackupOptions) =>
      finish(await (await import('./backup.ts')).backupCommand(options, terminal)),
    );

  program
    .command('restore')
    .description('check a backup, and put it into a home that is empty or not there')
    .requiredOption('--from <dir>', 'folder that backup made')
    .addOption(home())
    .action(async (options: RestoreOptions) =>
      finish(await (await import('./backup.ts')).restoreCommand(options, terminal)),
    );
}
