import { InvalidArgumentError, Option, type Command } from 'commander';
import { highestPriority, lowestPriority } from '#submission/contract.ts';
import { credentials, home, json, parseRunId, settings, wholeNumber } from '../commands/standard-options.ts';
import type { RunOptions } from '../commands/run.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { CancelOptions } from './cancel.ts';
import type { FetchOptions } from './fetch-run.ts';
import type { ListOptions } from './list-runs.ts';
import type { LogsOptions } from './logs.ts';
import { server } from './server-address.ts';

export const priority = (): Option =>
  new Option('--priority <n>', `share of a fleet that several runs have, ${lowestPriority} to ${highestPriority}`)
    .argParser(parsePriority)
    .default(lowestPriority);

export const queue = (): Option => new Option('--no-queue', 'refuse the run where it would have to wait for others');

export function parsePriority(text: string): number {
  const value = /^\d{1,3}$/.test(text) ? Number(text) : NaN;
  if (value >= lowestPriority && value <= highestPriority) return value;
  throw new InvalidArgumentError(`It must be a whole number from ${lowestPriority} to ${highestPriority}.`);
}

/** A home that was typed is meant, whatever the environment says of a server. */
export function placed<Options extends { readonly server?: string; readonly home: string }>(
  options: Options,
  command: Command,
): Options {
  const { server: address, ...rest } = options;
  const isOfHome = command.getOptionValueSource('home') === 'cli' && command.getOptionValueSource('server') === 'env';
  return isOfHome || address === undefined ? ({ ...rest } as Options) : options;
}

/** Commands about runs of a coordinator, here or elsewhere. */
export function addServerCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  program
    .command('submit')
    .description('send a recipe to a coordinator elsewhere, and leave its run to it')
    .argument('<recipe>', 'recipe file')
    .addOption(server().makeOptionMandatory())
    .addOption(credentials())
    .addOption(priority())
    .addOption(queue())
    .option('--seed <n>', 'seed in place of the one in the recipe', wholeNumber)
    .addOption(settings())
    .option('--run-id <id>', 'name of the run; 1 to 64 of a-z, 0-9 and -', parseRunId)
    .addOption(json())
    .action(async (recipe: string, options: Omit<RunOptions, 'detach' | 'dryRun' | 'samples' | 'home'>) => {
      const { runCommand } = await import('../commands/run.ts');
      const all = { ...options, detach: true, dryRun: false, samples: false, home: 'runs' };
      finish(await runCommand(recipe, all, terminal));
    });

  program
    .command('list')
    .description('list the runs of a home or a server: state, stage, step, time, reward')
    .addOption(server())
    .addOption(credentials())
    .addOption(home())
    .addOption(json())
    .action(async (options: ListOptions, command: Command) =>
      finish(await (await import('./list-runs.ts')).listCommand(placed(options, command), terminal)),
    );

  program
    .command('logs')
    .description('print what happened to a run, from its ledger')
    .argument('<run>', 'id of the run', parseRunId)
    .option('-f, --follow', 'go on until the run ends', false)
    .option('--after <position>', 'only what came after this position', wholeNumber, 0)
    .option('--metrics', 'the lines of metrics.jsonl in place of events', false)
    .addOption(server())
    .addOption(credentials())
    .addOption(home())
    .addOption(json())
    .action(async (run: string, options: LogsOptions, command: Command) =>
      finish(await (await import('./logs.ts')).logsCommand(run, placed(options, command), terminal)),
    );

  program
    .command('fetch')
    .description('bring the results of a run of a server here: summary, metrics, curves and the final model')
    .argument('<run>', 'id of the run', parseRunId)
    .addOption(server().makeOptionMandatory())
    .addOption(credentials())
    .option('--to <dir>', 'folder for the files (default: one with the id of the run, here)')
    .addOption(json())
    .action(async (run: string, options: FetchOptions) =>
      finish(await (await import('./fetch-run.ts')).fetchCommand(run, options, terminal)),
    );

  program
    .command('cancel')
    .description('stop a run that goes on, here or elsewhere; it can be resumed')
    .argument('<run>', 'id of the run', parseRunId)
    .option('--now', 'do not finish the step in progress', false)
    .option('--no-wait', 'do not wait until it has stopped')
    .addOption(server())
    .addOption(credentials())
    .addOption(home())
    .action(async (run: string, options: CancelOptions, command: Command) =>
      finish(await (await import('./cancel.ts')).cancelCommand(run, placed(options, command), terminal)),
    );
}
