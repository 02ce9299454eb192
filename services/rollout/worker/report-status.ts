import { sleep } from '#platform/async/sleep.ts';
import type { Watchdog } from '#platform/async/watchdog.ts';
import { statusIntervalMs } from '#platform/nats/bucket-settings.ts';
import type { WorkerStatuses } from '#platform/nats/worker-statuses.ts';
import type { RolloutWait } from '../episode/episode-ports.ts';

export interface StatusSources {
  readonly workerId: string;
  readonly limit: number;
  /** Tasks held now. */
  held(): number;
  readonly watchdog: Pick<Watchdog<RolloutWait>, 'pending' | 'overdue'>;
}

const toldWaits = 64;
const countedOverdue = 65_536;

/** Says every few seconds how this worker is, until `signal` aborts; then takes it back. `onFailure` is called for each try that failed. */
export async function reportStatus(
  statuses: WorkerStatuses,
  { workerId, limit, held, watchdog }: StatusSources,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    const waits = watchdog.pending(toldWaits).map(({ what, subject, detail, waitedMs, expectedMs }) => ({
      what,
      taskId: subject,
      detail,
      waitedMs: BigInt(waitedMs),
      expectedMs: BigInt(Math.round(expectedMs)),
    }));
    const overdue = watchdog.overdue(countedOverdue).length;
    await statuses
      .put({ workerId, atMs: BigInt(Date.now()), held: held(), limit, waits, overdue })
      // It vanishes by itself, and the next one is due soon.
      .catch(onFailure);
    await sleep(statusIntervalMs, signal).catch(() => undefined);
  }
  await statuses.remove(workerId).catch(onFailure);
}
