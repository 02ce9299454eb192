import type { PendingWait, WorkerStatus } from '#proto/rollout/v1/worker_pb.ts';
import { formatDuration, shortId, tableLines } from '../terminal/format.ts';
import { connectNats } from '#platform/nats/connect.ts';
import { createWorkerStatuses } from '#platform/nats/worker-statuses.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import type { FleetFile } from '#fleet/fleet-file.ts';

/** Waits that are named one by one under the table; more are counted. */
const namedWaits = 5;

/** What each worker holds and waits for, and by name what is overdue. */
export function formatWorkers(workers: readonly WorkerStatus[]): string[] {
  const rows = workers.map(({ workerId, held, limit, waits, overdue }) => [
    workerId,
    `${held}/${limit}`,
    countByKind(waits),
    longest(waits),
    `${overdue}`,
  ]);
  const table = tableLines(rows, {
    head: ['worker', 'rollouts', 'waits for', 'longest wait', 'overdue'],
    align: ['left', 'right', 'left', 'left', 'right'],
  });
  const late = workers.flatMap(({ workerId, waits }) =>
    waits.filter(isOverdue).map((wait) => ({ workerId, wait, ms: Number(wait.waitedMs) })),
  );
  const named = late
    .toSorted((a, b) => b.ms - a.ms)
    .slice(0, namedWaits)
    .map(({ workerId, wait }) => `overdue: ${describeWait(workerId, wait)}`);
  const others = workers.reduce((sum, { overdue }) => sum + overdue, 0) - named.length;
  return [...table, ...named, ...(others > 0 ? [`and ${others} more overdue`] : [])];
}

function isOverdue({ waitedMs, expectedMs }: PendingWait): boolean {
  return waitedMs > expectedMs;
}

function describeWait(workerId: string, wait: PendingWait): string {
  const detail = wait.detail === '' ? '' : ` (${wait.detail})`;
  return `${workerId} is in ${wait.what}${detail} of ${shortId(wait.taskId)} for ${formatDuration(Number(wait.waitedMs))}`;
}

function countByKind(waits: readonly PendingWait[]): string {
  const counts = new Map<string, number>();
  for (const { what } of waits) counts.set(what, (counts.get(what) ?? 0) + 1);
  return [...counts]
    .toSorted(([a, many], [b, more]) => more - many || (a < b ? -1 : 1))
    .map(([what, count]) => `${what} ${count}`)
    .join(', ');
}

function longest(waits: readonly PendingWait[]): string {
  const oldest = waits.toSorted((a, b) => Number(b.waitedMs - a.waitedMs))[0];
  return oldest === undefined ? '' : `${oldest.what} ${formatDuration(Number(oldest.waitedMs))}`;
}

/** What the workers say of themselves; none when the streams cannot be asked just now. */
export async function listWorkers(fleet: Pick<FleetFile, 'natsUrl' | 'credentials'>): Promise<WorkerStatus[]> {
  if (fleet.natsUrl === '') return [];
  const signal = AbortSignal.timeout(5_000);
  const log = createLogger({ service: 'gradus', level: 'silent' });
  try {
    const security = await openOperator(fleet.credentials);
    const nats = await connectNats({
      url: fleet.natsUrl,
      name: 'gradus-cli',
      log,
      signal,
      security,
      connectTimeoutMs: 2_000,
    });
    try {
      return await createWorkerStatuses(nats).list(signal);
    } finally {
      await nats.close();
    }
  } catch {
    // The table of services says that NATS is down; the rest of the status is worth showing.
    return [];
  }
}
