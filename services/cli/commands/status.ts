import { join, resolve } from 'node:path';
import {
  type ListRunsResponse,
  RunState,
  type RunStatus,
  RunStatusSchema,
} from '#proto/coordinator/v1/coordinator_pb.ts';
import { WorkerStatusSchema } from '#proto/rollout/v1/worker_pb.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { exitCodes } from '../exit-codes.ts';
import { stateOf } from '#platform/runtime/process-identity.ts';
import { whoAndSince } from '#fleet/claim-home.ts';
import { type FleetFile, readFleetFile, readRecordedFleet } from '#fleet/fleet-file.ts';
import { describeFullDisk, findFullDisk } from '#fleet/disk/watch-disks.ts';
import { type ServiceState, askServices, unanswered } from '#fleet/health/ask-services.ts';
import { fleetCoordinators } from '../run/coordinators.ts';
import { hasEnded, phaseWord, stateWord } from '#run/live-status.ts';
import { scoreTexts } from '../run/progress.ts';
import { formatWorkers, listWorkers } from '../run/worker-table.ts';
import { restingRuns } from '../run/resting-runs.ts';
import { homeFlag } from '../run/resume-hint.ts';
import { formatDuration, plural, tableLines } from '../terminal/format.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { UnreadableRun } from '#run/directory/places.ts';
import { asIs, jsonLine, messageJson } from '../terminal/json-line.ts';

export interface StatusOptions {
  readonly home: string;
  readonly json: boolean;
}

/** The fleet of a home, what runs on it, and the runs that lie there. A run that cannot be read is named after the others; the exit code is 2 then. */
export async function statusCommand(options: StatusOptions, terminal: Terminal): Promise<number> {
  const home = resolve(options.home);
  const fleet = await readFleetFile(home);
  const states = await askServices(fleet ?? { services: [], processes: [] });
  const silence = fleet === undefined ? undefined : unanswered(fleet, states);
  const isAsked = fleet !== undefined && silence === undefined;
  const listed = isAsked ? await answered(home, () => listRuns(fleet)) : undefined;
  const running = listed?.runs ?? [];
  const leftOut = listed?.leftOut ?? 0;
  const workers = isAsked ? await answered(home, () => listWorkers(fleet)) : [];
  const unread = (listed?.unreadable ?? []).map(({ runId, reason }): UnreadableRun => ({ run: runId, reason }));
  const live = new Set([...running.map(({ runId }) => runId), ...unread.map(({ run }) => run)]);
  const resting = await restingRuns(home, live);
  const unreadable = [...unread, ...resting.unreadable];
  const code = unreadable.length === 0 ? exitCodes.ok : exitCodes.usage;
  if (options.json) {
    const services =
      fleet?.services.map((service) => {
        const state = states.get(service.label) ?? 'down';
        return { ...service, alive: state !== 'down', state };
      }) ?? [];
    terminal.out(
      jsonLine({
        home,
        fleet: fleet === undefined ? null : { ...fleet, paths: asIs(fleet.paths) },
        services,
        workers: workers.map((worker) => messageJson(WorkerStatusSchema, worker)),
        runs: running.map((status) => messageJson(RunStatusSchema, status)),
        resting: resting.runs.map(({ run, state, safeSteps }) => ({ run, state, safeSteps })),
        unreadable,
        leftOut,
      }),
    );
    if (silence !== undefined) throw silence;
    return code;
  }
  terminal.out(fleet === undefined ? await describeNoFleet(home) : formatFleet(fleet, states));
  const full = fleet === undefined ? undefined : await findFullDisk([join(home, 'nats'), fleet.logs]);
  if (full !== undefined) terminal.out(describeFullDisk(full));
  // Without an answer it is not known which runs rest.
  if (silence !== undefined) throw silence;
  if (workers.length > 0) terminal.out(formatWorkers(workers));
  if (running.length > 0) terminal.out(formatRuns(running));
  for (const { runId, message } of running) if (message !== '') terminal.out(`run ${runId}: ${message}`);
  for (const { runId, state, step } of running)
    if (resumable.includes(state))
      terminal.out(
        `run ${runId}: ${stateWord(state)}, ${plural(step, 'step')} of its stage safe; gradus resume ${runId}${homeFlag(home)} continues it`,
      );
  for (const { runId, warnings } of running)
    for (const warning of Object.values(warnings)) terminal.out(`run ${runId}: warning: ${warning}`);
  for (const { text } of resting.runs) terminal.out(text);
  if (leftOut > 0)
    terminal.out(
      `the coordinator lists 256 runs and leaves ${leftOut} out; of those, runs with a folder in ${home} are shown as their files have them`,
    );
  for (const { run, reason } of unreadable) terminal.out(`run ${run}: cannot be read: ${reason}`);
  return code;
}

/** What a fleet answers. One that ends meanwhile, or begins again, is a sentence and no message of a connection. */
export async function answered<T>(home: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    if (!(errorFrom(thrown) instanceof TransientError)) throw thrown;
    const fleet = await readFleetFile(home);
    const silence = fleet === undefined ? undefined : unanswered(fleet, await askServices(fleet));
    if (silence !== undefined) throw silence;
    const what = fleet === undefined ? 'has just stopped' : 'is stopping or starting';
    throw new TransientError('unavailable', `the fleet in ${home} ${what}; ask for its status again in a moment`, {
      cause: thrown,
    });
  }
}

const resumable: readonly RunState[] = [RunState.INTERRUPTED, RunState.STOPPED, RunState.FAILED];

async function listRuns(
  fleet: FleetFile,
): Promise<Pick<ListRunsResponse, 'runs' | 'unreadable' | 'leftOut'> | undefined> {
  // Still starting.
  if (!fleet.services.some(({ service }) => service === 'coordinator')) return undefined;
  const coordinators = await fleetCoordinators(fleet, 5_000);
  try {
    return await coordinators.ask((client) => client.listRuns({}));
  } finally {
    coordinators.close();
  }
}

function formatFleet(fleet: FleetFile, states: ReadonlyMap<string, ServiceState>): string[] {
  const rows = fleet.services.map(({ label, grpc, nats, metrics, pid }) => [
    label,
    grpc ?? nats ?? '',
    metrics ?? '',
    `${pid}`,
    states.get(label) ?? 'down',
  ]);
  const what = fleet.owner === 'reader' ? `${fleet.recipePath} reads the streams` : `fleet for ${fleet.recipePath}`;
  return [
    `${what} ${whoAndSince(fleet)}, logs in ${fleet.logs}`,
    ...tableLines(rows, { head: ['service', 'grpc', 'metrics', 'process', ''] }),
  ];
}

/** Whether a fleet that was killed has left something here, and what to do. */
async function describeNoFleet(home: string): Promise<string> {
  const dead = await readRecordedFleet(home);
  if (dead === undefined) return `no fleet runs in ${home}`;
  const left = dead.processes.filter((each) => stateOf(each) === 'alive').length;
  return (
    `no fleet runs in ${home}; the last one, for ${dead.recipePath}, was killed (process ${dead.supervisor.pid})` +
    (left === 0 ? '' : ` and left ${left} processes; 'gradus stop --home ${home}' or the next start ends them`)
  );
}

function formatRuns(runs: readonly RunStatus[]): string[] {
  const rows = runs.map((run) => [
    run.runId,
    run.queuePosition === 0 ? stateWord(run.state) : `${stateWord(run.state)}, place ${run.queuePosition}`,
    `${run.stageIndex + 1}/${run.stages} ${run.stage}`,
    `${run.step}/${run.steps}`,
    hasEnded(run) || run.state === RunState.QUEUED ? '' : phaseWord(run.phase),
    scoreTexts(run).join(', '),
    formatDuration(Number(run.elapsedMs)),
    run.remainingMs === undefined ? '' : formatDuration(Number(run.remainingMs)),
  ]);
  return tableLines(rows, { head: ['run', 'state', 'stage', 'step', 'phase', 'last step', 'time', 'left'] });
}
