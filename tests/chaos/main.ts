/** `make chaos`: a run under faults, its audit, and how long each service was away. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { CancelledError } from '#shared/errors.ts';
import { machineFacts } from '#shared/runtime/machine-facts.ts';
import { runChaos } from './chaos-run.ts';
import { formatRecovery, recoveryRows } from './recovery-table.ts';

const whole =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`must be a whole number from ${least} on`);
    return value;
  };

interface Options {
  readonly seed: number;
  readonly faults: number;
  readonly only?: string;
  readonly out?: string;
  readonly longestFreezeMs: number;
  readonly timeoutMinutes: number;
  readonly json: boolean;
}

const options = new Command('chaos')
  .description(
    'Train with a scripted policy while processes are killed and frozen, then audit: nothing lost, nothing counted twice, the accounting of a run without faults.',
  )
  .option('--seed <n>', 'seed of the recipe and of the faults', whole(0), 1)
  .option('--faults <n>', 'kills and freezes', whole(1), 66)
  .option('--only <service>', 'aim at one service (nats, rollout …) or one process (rollout-1)')
  .option('--out <dir>', 'folder for both runs and report.json; a new temporary one when absent')
  .option('--longest-freeze-ms <n>', 'longest SIGSTOP', whole(200), 40_000)
  .option('--timeout-minutes <n>', 'give up after', whole(1), 60)
  .option('--json', 'print the report as JSON', false)
  .parse()
  .opts<Options>();

const directory = resolve(options.out ?? (await mkdtemp(join(tmpdir(), 'gradus-chaos-'))));
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => stop.abort(new CancelledError('cancelled', `stopped by ${name}`)));
const report = await runChaos({
  seed: options.seed,
  faults: options.faults,
  only: options.only,
  directory,
  longestFreezeMs: options.longestFreezeMs,
  signal: AbortSignal.any([stop.signal, AbortSignal.timeout(options.timeoutMinutes * 60_000)]),
  say,
});
const rows = recoveryRows(report.faults);
const fullReport = { ...report, recovery: rows, machine: machineFacts() };
await writeFile(join(directory, 'report.json'), `${JSON.stringify(fullReport, undefined, 2)}\n`);
if (options.json) process.stdout.write(`${JSON.stringify(fullReport)}\n`);
else {
  const { totals } = report.audit;
  const count = (action: string): number => report.faults.filter((fault) => fault.action === action).length;
  process.stdout.write(`${formatRecovery(rows)}
seed ${report.seed}: ${count('kill')} kills and ${count('freeze')} freezes in ${report.secondsWith.toFixed(0)} s
rollouts: ${totals.published} published, ${totals.completed} completed, ${totals.failedInfra} failed, ${totals.lost} lost, ${totals.duplicated} counted twice, ${totals.redundant} results came again
accounting: ${report.records} records in ${report.audit.groups} groups and ${report.audit.steps} steps
${report.findings.length === 0 ? 'nothing is wrong' : report.findings.map((finding) => `WRONG ${finding}`).join('\n')}
everything is in ${directory}
`);
}
process.exitCode = report.findings.length === 0 ? 0 : 1;
