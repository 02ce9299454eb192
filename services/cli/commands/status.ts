import { join, resolve } from 'node:path';
import Table from 'cli-table3';
import { RunStatusSchema } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { RunStatus } from '#proto/coordinator/v1/coordinator_pb.ts';
import { WorkerStatusSchema } from '#proto/rollout/v1/worker_pb.ts';
import { toJson } from '@bufbuild/protobuf';
import { exitCodes } from '../exit-codes.ts';
import { isAlive } from '#shared/runtime/is-alive.ts';
import { readFleetFile } from '../fleet/fleet-file.ts';
import type { FleetFile } from '../fleet/fleet-file.ts';
import { fleetCoordinators } from '../run/coordinators.ts';
import { hasEnded } from '../run/follow-run.ts';
import { phaseWord, stateWord } from '../run/progress-line.ts';
import { listWorkers } from '../run/list-workers.ts';
import { formatWorkers } from '../run/worker-table.ts';
import { readRunSummary } from '../run/run-summary.ts';
import { formatDuration } from '../terminal/format-duration.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { runIdsIn } from './resume.ts';

export interface StatusOptions {
  readonly home: string;
  readonly json: boolean;
}

/** The fleet of a home, what runs on it, and the runs that lie there. */
export async function statusCommand(options: StatusOptions, terminal: Terminal): Promise<number> {
  const home = resolve(options.home);
  const fleet = await readFleetFile(home);
  const running = fleet === undefined ? [] : await listRuns(fleet);
  const workers = fleet === undefined ? [] : await listWorkers(fleet);
  const live = new Set(running.map(({ runId }) => runId));
  const resting = (await runIdsIn(home)).filter((id) => !live.has(id));
  if (options.json) {
    const services = fleet?.services.map((service) => ({ ...service, alive: isAlive(service.pid) })) ?? [];
    terminal.out(
      JSON.stringify({
        home,
        fleet: fleet ?? null,
        services,
        workers: workers.map((worker) => toJson(WorkerStatusSchema, worker)),
        runs: running.map((status) => toJson(RunStatusSchema, status)),
        resting,
      }),
    );
    return exitCodes.ok;
  }
  terminal.out(fleet === undefined ? `no fleet runs in ${home}` : formatFleet(fleet));
  if (workers.length > 0) terminal.out(formatWorkers(workers));
  if (running.length > 0) terminal.out(formatRuns(running));
  for (const { runId, message } of running) if (message !== '') terminal.out(`run ${runId}: ${message}`);
  for (const { runId, warnings } of running)
    for (const warning of Object.values(warnings)) terminal.out(`run ${runId}: warning: ${warning}`);
  for (const id of resting) terminal.out(await describeResting(home, id));
  return exitCodes.ok;
}

async function listRuns(fleet: FleetFile): Promise<RunStatus[]> {
  // Still starting.
  if (!fleet.services.some(({ service }) => service === 'coordinator')) return [];
  const coordinators = fleetCoordinators(fleet, 5_000);
  try {
    return (await coordinators.ask((client) => client.listRuns({}))).runs;
  } finally {
    coordinators.close();
  }
}

function newTable(head: readonly string[]): Table.Table {
  return new Table({ head: [...head], style: { head: [], border: [] } });
}

function formatFleet(fleet: FleetFile): string {
  const table = newTable(['service', 'grpc', 'metrics', 'process', '']);
  for (const { label, grpc, nats, metrics, pid } of fleet.services) {
    table.push([label, grpc ?? nats ?? '', metrics ?? '', `${pid}`, isAlive(pid) ? 'up' : 'down']);
  }
  return `fleet for ${fleet.recipePath} (process ${fleet.pid}), logs in ${fleet.logs}\n${table.toString()}`;
}

function formatRuns(runs: readonly RunStatus[]): string {
  const table = newTable(['run', 'state', 'stage', 'step', 'phase', 'reward', 'time', 'left']);
  for (const run of runs) {
    table.push([
      run.runId,
      stateWord(run.state),
      `${run.stageIndex + 1}/${run.stages} ${run.stage}`,
      `${run.step}/${run.steps}`,
      hasEnded(run) ? '' : phaseWord(run.phase),
      run.rewardMean === undefined ? '' : run.rewardMean.toFixed(3),
      formatDuration(Number(run.elapsedMs)),
      run.remainingMs === undefined ? '' : formatDuration(Number(run.remainingMs)),
    ]);
  }
  return table.toString();
}

async function describeResting(home: string, id: string): Promise<string> {
  const summary = await readRunSummary(join(home, id));
  const resume = `gradus resume ${id} continues it`;
  if (summary === undefined) return `run ${id}: not finished; ${resume}`;
  const steps = summary.stages.reduce((sum, stage) => sum + stage.steps, 0);
  return `run ${id}: stage ${summary.stages.length}, ${steps} steps, ${formatDuration(summary.wallSeconds * 1000)}, ${summary.state === 'finished' ? 'finished' : `${summary.state ?? 'stopped'}; ${resume}`}`;
}
