/** `make chaos`: runs under faults, their audit, how long each service was unavailable, and how long a run stood still. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CancelledError } from '#platform/errors.ts';
import { machineFacts } from '#platform/runtime/machine-facts.ts';
import { runChaos } from './chaos-run.ts';
import { actions } from './fault-cards.ts';
import type { Action } from './fault-cards.ts';
import { formatReport, markdownReport, reportRows } from './report.ts';
import { runSoak } from './soak-run.ts';

const whole =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`must be a whole number from ${least} on`);
    return value;
  };

function actionSet(text: string): ReadonlySet<Action> {
  const names = text.split(',');
  const unknown = names.filter((name) => !actions.some((action) => action === name));
  if (unknown.length > 0) throw new InvalidArgumentError(`knows ${actions.join(', ')}, not ${unknown.join(', ')}`);
  return new Set(actions.filter((action) => names.includes(action)));
}

interface Options {
  readonly seed: number;
  readonly faults: number;
  readonly minutes?: number;
  readonly everyMs: number;
  readonly only?: string;
  readonly actions?: ReadonlySet<Action>;
  readonly out?: string;
  readonly longestFreezeMs: number;
  readonly longestStallS: number;
  readonly timeoutMinutes: number;
  readonly json: boolean;
}

const options = new Command('chaos')
  .description(
    'Train with a scripted policy while processes are killed, frozen and hung, a disk is full and state is stale, then audit: nothing lost, nothing counted twice, the accounting of a run without faults, and no longer time without progress than allowed.',
  )
  .option('--seed <n>', 'seed of the recipe and of the faults', whole(0), 1)
  .option('--faults <n>', 'faults of the run, which is then compared with one without', whole(1), 150)
  .addOption(
    new Option('--minutes <n>', 'a soak: faults by the clock for so long, in one run after the other')
      .argParser(whole(1))
      .conflicts('faults'),
  )
  .option('--every-ms <n>', 'mean time between two faults of a soak', whole(100), 4_000)
  .option('--only <service>', 'aim at one service (nats, rollout …) or one process (rollout-1, supervisor, scorer)')
  .addOption(new Option('--actions <names>', `only these, of ${actions.join(', ')}`).argParser(actionSet))
  .option('--out <dir>', 'folder for all runs, report.json and report.md; a new temporary one when absent')
  .option('--longest-freeze-ms <n>', 'longest SIGSTOP that is followed by a SIGCONT', whole(200), 15_000)
  .option('--longest-stall-s <n>', 'longest time without a new fact or result; more is a finding', whole(1), 30)
  .option('--timeout-minutes <n>', 'give up after, for a soak beyond its minutes', whole(1), 60)
  .option('--json', 'print the report as JSON', false)
  .parse()
  .opts<Options>();

const directory = resolve(options.out ?? (await mkdtemp(join(tmpdir(), 'gradus-chaos-'))));
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => stop.abort(new CancelledError('cancelled', `stopped by ${name}`)));
const { minutes } = options;
const limitMs = (options.timeoutMinutes + (minutes ?? 0)) * 60_000;
const base = {
  ...options,
  only: options.only,
  directory,
  without: new Set(actions.filter((action) => options.actions?.has(action) === false)),
  longestStallMs: options.longestStallS * 1_000,
  signal: AbortSignal.any([stop.signal, AbortSignal.timeout(limitMs)]),
  say: (line: string): void => void process.stderr.write(`${line}\n`),
};
const report = minutes === undefined ? await runChaos(base) : await runSoak({ ...base, minutes });
const full = { ...report, recovery: reportRows(report), machine: machineFacts() };
await writeFile(join(directory, 'report.json'), `${JSON.stringify(full, undefined, 2)}\n`);
await writeFile(join(directory, 'report.md'), markdownReport(report));
process.stdout.write(
  options.json ? `${JSON.stringify(full)}\n` : `${formatReport(report)}everything is in ${directory}\n`,
);
process.exitCode = report.findings.length === 0 ? 0 : 1;
