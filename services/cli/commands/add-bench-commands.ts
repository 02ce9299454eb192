import type { Command } from 'commander';
import type { Terminal } from '../terminal/terminal.ts';
import type { BenchRolloutsOptions } from './bench-rollouts.ts';
import { credentials, decimal, home, json, wholeNumber } from './standard-options.ts';

/** The commands of `gradus bench`. */
export function addBenchCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  const bench = program.command('bench').description('measure the platform itself');
  bench
    .command('rollouts')
    .description('rollouts per second through the whole path, with a scripted policy and without a trainer')
    .addOption(credentials())
    .option('--recipe <file>', 'recipe whose environment, data and rewards are used; by default rollouts-scripted.yaml')
    .option('--rollouts <n>', 'rollouts that are measured', wholeNumber, 2000)
    .option('--warm-up <n>', 'rollouts before those', wholeNumber, 300)
    .option('--workers <n>', 'rollout workers', wholeNumber, 1)
    .option('--engines <n>', 'scripted engines', wholeNumber, 1)
    .option('--concurrency <n>', 'rollouts at once in one worker', wholeNumber, 256)
    .option('--turns <n>', 'turns of a rollout: tool calls, and the answer as the last', wholeNumber, 3)
    .option('--latency-median-ms <ms>', 'median time of a turn; 0 is none', decimal, 0)
    .option('--latency-sigma <x>', 'sigma of its log-normal distribution', decimal, 0)
    .option('--right-probability <p>', 'share of answers that are right', decimal, 0.5)
    .option('--seed <n>', 'seed of world, tasks and latencies', wholeNumber, 1)
    .option('--keep', 'keep the streams and logs afterwards', false)
    .addOption(home())
    .addOption(json())
    .action(async (options: BenchRolloutsOptions) =>
      finish(await (await import('./bench-rollouts.ts')).benchRolloutsCommand(options, terminal)),
    );
}
