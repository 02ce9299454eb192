import { Option, type Command } from 'commander';
import type { Terminal } from '../terminal/terminal.ts';
import type { RolloutReplayOptions } from './rollout-replay.ts';
import type { RolloutShowOptions } from './rollout-show.ts';
import { home, json, parseRunId } from './standard-options.ts';

/** The commands of `gradus rollout`. */
export function addRolloutCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  const rollout = program.command('rollout').description('show rollouts, and play them again');
  rollout
    .command('show')
    .description('print a rollout as a transcript; what is trained on is marked')
    .argument('[task-id]', 'id of the rollout, or its beginning')
    .option('--run <id>', 'only rollouts of this run; without a task id its last one', parseRunId)
    .option('--list', 'list the rollouts instead', false)
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
    .addOption(home())
    .addOption(json())
    .action(async (id: string | undefined, options: RolloutReplayOptions) =>
      finish(await (await import('./rollout-replay.ts')).rolloutReplayCommand(id, options, terminal)),
    );
}
