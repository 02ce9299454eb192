import { InvalidArgumentError, Option, type Command } from 'commander';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { detectorNames } from '#rewards/detector-names.ts';
import { failureWord } from '#trajectory/enum-words.ts';
import { home, parseRunId, wholeNumber } from '../commands/standard-options.ts';
import type { Selected } from './read-selected.ts';
import { anyFailure, orders, purposes, type Selection } from './select-rollouts.ts';

export interface SelectionOptions extends Selection {
  readonly home: string;
  readonly run?: string;
  readonly tag: ReadonlyMap<string, string>;
  readonly limit: number;
}

/** What `--failure` takes. */
export const failureWords: readonly string[] = [
  ...anyFailure,
  ...Object.values(FailureClass)
    .filter((failure) => failure !== FailureClass.UNSPECIFIED)
    .map(failureWord),
];

/** The options by which `rollout list` and `rollout export` choose rollouts. */
export function addSelectionOptions(command: Command, limit: number): Command {
  return command
    .option('--run <id>', 'only rollouts of this run; by default those of all runs', parseRunId)
    .option('--stage <name>', 'only of this stage')
    .option(
      '--step <n>',
      'only of this step of their stage, from 0; of an evaluation the step that it follows',
      wholeNumber,
    )
    .addOption(new Option('--purpose <which>', 'only for training, or only of evaluations').choices(purposes))
    .addOption(
      new Option('--tag <name=value>', 'only of rows with this tag, for example level=3; may be repeated')
        .argParser(parseTag)
        .default(new Map<string, string>(), 'none'),
    )
    .option('--failure <class>', 'only that ended so: a failure class, any, or none', oneOf(failureWords))
    .option('--min-reward <x>', 'only with at least this reward', anyNumber)
    .option('--max-reward <x>', 'only with at most this reward', anyNumber)
    .option('--detector <name>', 'only where this detector of reward hacking fired', oneOf(detectorNames))
    .addOption(new Option('--sort <order>', 'which come first').choices(orders).default('newest' as const))
    .option('--seed <n>', 'seed of --sort random', wholeNumber, 1)
    .option('--limit <n>', 'most of them; 0 is all', wholeNumber, limit)
    .addOption(home());
}

export function selectedBy({ run, tag, limit, home: _home, ...selection }: SelectionOptions): Selected {
  return { run, tags: tag, limit, selection };
}

function parseTag(text: string, before: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be NAME=VALUE, for example level=3.');
  return new Map([...before, [text.slice(0, at), text.slice(at + 1)]]);
}

function oneOf(names: readonly string[]): (text: string) => string {
  return (text) => {
    if (names.includes(text)) return text;
    const meant = suggest(text, names);
    throw new InvalidArgumentError(
      meant === undefined ? `It must be one of ${names.join(', ')}.` : `Did you mean ${meant}?`,
    );
  };
}

function anyNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.');
  return value;
}
