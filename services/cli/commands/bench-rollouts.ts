import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Row } from '#proto/rollout/v1/task_pb.ts';
import { CancelledError } from '#platform/errors.ts';
import { connectNats, type Nats } from '#platform/nats/connect.ts';
import { ensureStreams, streams, workerConsumers } from '#platform/nats/streams.ts';
import { questionFormatOf } from '#questions/question-row.ts';
import { readQuestions } from '#questions/read-questions.ts';
import { rowNeeds } from '#recipe/row-needs.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { benchRecipe, parseBenchOptions, type BenchOptions } from '../bench/bench-options.ts';
import { buildBenchReport, formatBenchReport, type BenchReport } from '../bench/bench-report.ts';
import { createBenchTasks, type BenchTasks } from '../bench/bench-tasks.ts';
import { playRollouts } from '../bench/play-rollouts.ts';
import { createUsageSampler, readBusySeconds } from '../bench/process-usage.ts';
import { exitCodes } from '../exit-codes.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import { startFleet, type Fleet } from '#fleet/start-fleet.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { loadRecipe, prepareInputs } from '../run/prepare-inputs.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { fleetEvents } from './fleet-events.ts';
import { watchInterrupts } from './interrupts.ts';
import { jsonLine } from '../terminal/json-line.ts';

export interface BenchRolloutsOptions extends BenchOptions {
  readonly home: string;
  /** Directory of certificates for the services. */
  readonly credentials?: string;
  /** Whose environment, data and rewards are played. */
  readonly recipe?: string;
  /** Keep streams and logs. */
  readonly keep: boolean;
  readonly json: boolean;
}

const runId = 'bench';
const stopGraceMs = 15_000;
const silenceMs = 120_000;
const sampleMs = 250;

/** Rollouts through the whole path with a scripted policy and without a trainer, in a fleet of its own. */
export async function benchRolloutsCommand(given: BenchRolloutsOptions, terminal: Terminal): Promise<number> {
  const options = parseBenchOptions(given);
  const home = resolve(given.home);
  await mkdir(home, { recursive: true });
  const directory = await mkdtemp(join(home, 'bench-'));
  const interrupts = watchInterrupts();
  const stop = new AbortController();
  interrupts.onFirst(() => stop.abort(new CancelledError('cancelled', 'the bench was stopped')));
  let fleet: Fleet | undefined;
  try {
    const base = await loadRecipe(given.recipe ?? join(repositoryRoot, 'recipes/rollouts-scripted.yaml'));
    const recipe = benchRecipe(options, base.recipe);
    const paths = await prepareInputs({ ...base, recipe }, directory);
    fleet = await startFleet({
      inputs: { recipe, paths },
      recipePath: 'gradus bench rollouts',
      owner: 'run',
      training: false,
      home: directory,
      logs: join(directory, 'logs'),
      ...(given.credentials !== undefined && { credentials: resolve(given.credentials) }),
      signal: stop.signal,
      events: fleetEvents(terminal),
    });
    const signal = AbortSignal.any([stop.signal, fleet.failed]);
    const rows: Row[] = [];
    for await (const row of readQuestions(paths.train, questionFormatOf(recipe.data), rowNeeds(recipe))) rows.push(row);
    const tasks = createBenchTasks(recipe, runId, rows);
    const report = await measure(fleet, options, tasks, signal, terminal);
    terminal.status('');
    terminal.out(given.json ? jsonLine(report) : formatBenchReport(report));
    return report.lost === 0 && report.duplicated === 0 ? exitCodes.ok : exitCodes.runFailed;
  } finally {
    terminal.status('');
    await fleet?.stop(stopGraceMs);
    interrupts.release();
    if (given.keep) terminal.err(`streams and logs are in ${directory}`);
    else await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function measure(
  fleet: Fleet,
  options: BenchOptions,
  { composition, taskAt }: BenchTasks,
  signal: AbortSignal,
  terminal: Terminal,
): Promise<BenchReport> {
  const log = createLogger({ service: 'bench', level: 'error' });
  const security = await openOperator(fleet.file.credentials);
  const nats = await connectNats({ url: fleet.file.natsUrl, name: 'bench', log, signal, security });
  try {
    await ensureStreams(nats);
    const maxOpen = 2 * options.workers * options.concurrency;
    const play = { nats, runId, composition, taskAt, maxOpen, silenceMs, signal };
    if (options.warmUp > 0) await playRollouts({ ...play, from: 0, count: options.warmUp, onResult: () => {} });

    const handedOutBefore = await tasksHandedOut(nats);
    const sampler = createUsageSampler([...fleet.file.services, { label: 'bench', pid: process.pid }]);
    const busyBefore = readBusySeconds();
    const progress = startProgress(terminal, options.rollouts, sampler.sample);
    let played;
    try {
      const { rollouts: count, warmUp: from } = options;
      played = await playRollouts({ ...play, from, count, onResult: progress.answered });
    } finally {
      progress.end();
    }
    return buildBenchReport(options, {
      seconds: played.seconds,
      counts: played.tally.counts(),
      overheadMsPerTurn: played.tally.overheadMsPerTurn(),
      redelivered: (await tasksHandedOut(nats)) - handedOutBefore - options.rollouts,
      processes: sampler.result(),
      fleetMebibytes: sampler.together(),
      busySeconds: readBusySeconds() - busyBefore,
    });
  } finally {
    await nats.close();
  }
}

/** Deliveries of tasks to workers so far, repeated ones included. */
async function tasksHandedOut(nats: Nats): Promise<number> {
  return (await nats.jsm.consumers.info(streams.tasks, workerConsumers.train)).delivered.consumer_seq;
}

function startProgress(terminal: Terminal, total: number, sample: () => void) {
  let answered = 0;
  let shown = { atMs: performance.now(), answered: 0 };
  const timer = setInterval(() => {
    sample();
    const atMs = performance.now();
    const rate = ((answered - shown.answered) * 1000) / Math.max(1, atMs - shown.atMs);
    terminal.status(`${answered}/${total} rollouts, ${rate.toFixed(0)}/s`);
    // Over some seconds: a rate over one sample jumps.
    if (atMs - shown.atMs > 5_000) shown = { atMs, answered };
  }, sampleMs);
  return { answered: (count: number) => void (answered = count), end: () => clearInterval(timer) };
}
