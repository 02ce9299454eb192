import { Option, type Command } from 'commander';
import type { Terminal } from '../terminal/terminal.ts';
import type { DlqAction, DlqOptions } from './dlq.ts';
import { credentials, home, json } from './standard-options.ts';

/** The commands of `gradus dlq`. */
export function addDlqCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  const dlq = program.command('dlq').description('dead letters: tasks that were given up');
  const runDlq = async (action: DlqAction, ids: readonly string[], options: DlqOptions): Promise<void> =>
    finish(await (await import('./dlq.ts')).dlqCommand(action, ids, options, terminal));
  const dlqOptions = (command: Command): Command =>
    command
      .option('--run <id>', 'only dead letters of this run')
      .addOption(home())
      .addOption(
        new Option('--nats <url>', 'streams of this NATS server in place of those of a home').conflicts('home'),
      )
      .addOption(credentials())
      .addOption(json());
  const all = (): Option => new Option('--all', 'all dead letters; with --run all of that run').default(false);
  dlqOptions(
    dlq.command('list').description('list them: number, run, task, times handed out again, age, reason'),
  ).action((options: DlqOptions) => runDlq('list', [], options));
  dlqOptions(
    dlq
      .command('show')
      .description('print a dead letter with its task')
      .argument('<id>', 'number of the dead letter, or the beginning of its task id'),
  ).action((id: string, options: DlqOptions) => runDlq('show', [id], options));
  dlqOptions(
    dlq
      .command('retry')
      .description('put tasks back on the queue; their results count as usual, and once')
      .argument('[ids...]', 'numbers of dead letters, or beginnings of their task ids')
      .addOption(all()),
  ).action((ids: readonly string[], options: DlqOptions) => runDlq('retry', ids, options));
  dlqOptions(
    dlq
      .command('drop')
      .description('remove dead letters; this cannot be undone')
      .argument('[ids...]', 'numbers of dead letters, or beginnings of their task ids')
      .addOption(all()),
  ).action((ids: readonly string[], options: DlqOptions) => runDlq('drop', ids, options));
}
