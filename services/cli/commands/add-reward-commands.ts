import { Option, type Command } from 'commander';
import { rowMetricNames, metricHelp, type MetricHelp } from '#answer/rows/metric-help.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { home, json, parseRunId, several } from './standard-options.ts';
import type { RewardExplainOptions } from './reward-explain.ts';
import type { RewardScoreOptions } from './reward-score.ts';
import type { RewardTryOptions } from './reward-try.ts';

/** The commands of `gradus reward`. */
export function addRewardCommands(program: Command, terminal: Terminal, finish: (exitCode: number) => void): void {
  const reward = program.command('reward').description('score answers, and explain what rollouts got');
  reward
    .command('score')
    .description('score the rows of a JSONL file by an answer metric: a line per row on stdout, a summary on stderr')
    .argument('<file>', 'rows; - is stdin')
    .requiredOption('--metric <name>', `one of ${rowMetricNames.join(', ')}`)
    .option('--settings <json>', 'settings of the metric as one JSON object', '')
    .option('--out <file>', 'file to write to, complete or not at all')
    .addOption(
      new Option('--on-bad-row <what>', 'end at a malformed row, or leave it out and count it')
        .choices(['stop', 'skip'] as const)
        .default('stop' as const),
    )
    .addHelpText('after', describeMetrics())
    .action(async (file: string, options: RewardScoreOptions) =>
      finish(await (await import('./reward-score.ts')).rewardScoreCommand(file, options, terminal)),
    );

  reward
    .command('explain')
    .description(
      'say why a rollout got its reward: every component, the composition, and its group up to the advantage',
    )
    .argument('[task-id]', 'id of the rollout, or its beginning')
    .option('--run <id>', 'only rollouts of this run; without a task id its last one', parseRunId)
    .option('--compare <task-id>', 'side by side with another rollout of its group')
    .addOption(home())
    .addOption(json())
    .action(async (id: string | undefined, options: RewardExplainOptions) =>
      finish(await (await import('./reward-explain.ts')).rewardExplainCommand(id, options, terminal)),
    );

  reward
    .command('try')
    .description("score a recorded rollout with a scorer's file: its number, or the exception with file and line")
    .argument('<file>', 'a scorer in TypeScript or Python')
    .argument('<task-id>', 'id of the rollout, or its beginning')
    .addOption(several('--option <name=value>', 'a setting, as a stage gives it; may be repeated'))
    .addOption(
      several(
        '--declare <key=value>',
        'a key of its declaration in a recipe, for example function=mine; may be repeated',
      ),
    )
    .option('--given', 'print what the scorer is given', false)
    .option('--run <id>', 'only rollouts of this run', parseRunId)
    .addOption(home())
    .addOption(json())
    .addHelpText(
      'after',
      "\nA file that the recipe of the rollout's run declares is set as there; --option and --declare come before that.",
    )
    .action(async (file: string, id: string, options: RewardTryOptions) =>
      finish(await (await import('./reward-try.ts')).rewardTryCommand(file, id, options, terminal)),
    );
}

const indent = ' '.repeat(13);

/** The metrics with what each reads and writes, for help. */
export function describeMetrics(): string {
  const rows = Object.entries<MetricHelp>(metricHelp).map(([name, { about, reads, writes, settings }]) =>
    [
      `  ${name.padEnd(10)} ${about}`,
      ...(reads === '' ? [] : [`${indent}reads: ${reads}`]),
      `${indent}writes: ${writes}`,
      ...(settings.length === 0 ? [] : [`${indent}settings: ${settings.join(', ')}`]),
    ].join('\n'),
  );
  return `
Rows are JSON lines {"id", "prediction", "answers": [..]}; below is what a metric reads in addition.
A prediction that is missing or null scores 0. A gold answer that is missing, or that the metric cannot read, is an error.

Metrics:
${rows.join('\n')}`;
}
