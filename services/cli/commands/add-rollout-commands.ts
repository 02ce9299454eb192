import { Option, type Command } from 'commander';
import type { Terminal } from '../terminal/terminal.ts';
import { addSelectionOptions } from '../rollouts/selection-options.ts';
import type { RolloutExportOptions } from './rollout-export.ts';
import type { RolloutListOptions } from './rollout-list.ts';
import type { RolloutReplayOptions } from './rollout-replay.ts';
import type { RolloutShowOptions } from './rollout-show.ts';
import { defaultNatsUrl } from '../store/nats-url.ts';
import { credentials, home, json, parseRunId } from './standard-options.ts';

/** The commands of `gradus rollout`. */
export function addRolloutCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  const rollout = program.command('rollout').description('list, show, export and play again');
  addSelectionOptions(
    rollout.command('list').description('list rollouts: what they got, how long they took and how they ended'),
    50,
  )
    .addOption(json())
    .action(async (options: RolloutListOptions) =>
      finish(await (await import('./rollout-list.ts')).rolloutListCommand(options, terminal)),
    );

  addSelectionOptions(
    rollout
      .command('export')
      .description('write rollouts for other tools, token by token')
      .requiredOption('--out <path>', 'file of JSON lines, or for atif a new folder with a file for each rollout')
      .addOption(
        new Option('--format <which>', "a JSON object a line, or Harbor's Agent Trajectory Interchange Format")
          .choices(['jsonl', 'atif'] as const)
          .default('jsonl' as const),
      ),
    0,
  ).action(async (options: RolloutExportOptions) =>
    finish(await (await import('./rollout-export.ts')).rolloutExportCommand(options, terminal)),
  );

  rollout
    .command('show')
    .description('print a rollout as a transcript; what is trained on is marked')
    .argument('[task-id]', 'id of the rollout, or its beginning')
    .option('--run <id>', 'only rollouts of this run; without a task id its last one', parseRunId)
    .addOption(home())
    .addOption(json())
    .action(async (id: string | undefined, options: RolloutShowOptions) =>
      finish(await (await import('./rollout-show.ts')).rolloutShowCommand(id, options, terminal)),
    );

  rollout
    .command('replay')
    .description('play a recorded rollout again and show the first difference; nothing of it is counted')
    .argument('[task-id]', 'id of the rollout, or its beginning')
    .option('--run <id>', 'only rollouts of this run; without a task id its last one', parseRunId)
    .addOption(
      new Option(
        '--policy <which>',
        'the version that wrote it, or the one that serves now (without a fleet: the newest)',
      )
        .choices(['recorded', 'current'] as const)
        .default('recorded' as const),
    )
    .addOption(new Option('--model <dir>', 'play with this model instead').conflicts('policy'))
    .option(
      '--nats-url <url>',
      `NATS of services that were started by hand, in place of the home's; a bucket of --store is there as well (default for it: ${defaultNatsUrl})`,
    )
    .option(
      '--store <address>',
      'where versions are that lie in no folder of the run: an absolute path, nats:BUCKET or s3://…, as for gradus artefact',
    )
    .addOption(credentials())
    .addOption(home())
    .addOption(json())
    .action(async (id: string | undefined, options: RolloutReplayOptions) =>
      finish(await (await import('./rollout-replay.ts')).rolloutReplayCommand(id, options, terminal)),
    );
}
