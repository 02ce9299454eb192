import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WorkerStatus } from '#proto/rollout/v1/worker_pb.ts';
import { createWorkerStatuses } from '#platform/nats/worker-statuses.ts';
import { until } from '../until.ts';
import { startRolloutFleet, type RolloutFleet } from './fleet.ts';
import { taskOf } from './task.ts';

/** Asks until the statuses are as wanted; workers report theirs every few seconds. */
async function statusesWhen(
  list: () => Promise<WorkerStatus[]>,
  wanted: (workers: readonly WorkerStatus[]) => boolean,
): Promise<WorkerStatus[]> {
  let workers: WorkerStatus[] = [];
  await until(async () => wanted((workers = await list())), 'the statuses are as wanted');
  return workers;
}

describe('what workers say of themselves', () => {
  let fleet: RolloutFleet;
  const slow = Promise.withResolvers<void>();
  beforeAll(async () => {
    fleet = await startRolloutFleet({
      script: async ({ turn }) => {
        if (turn === 0) return '<tool>{"name": "websearch", "args": {"query": "Halvard"}}</tool>';
        await slow.promise;
        return '<answer> Verland Coast </answer>';
      },
    });
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  it('P3: names the rollout that waits, for which call and in which turn, and when that is overdue', async () => {
    const statuses = createWorkerStatuses(fleet.nats);
    await fleet.publish(
      taskOf('waiting', {
        limits: {
          contextTokens: 512,
          maxTurns: 6,
          toolTimeoutMs: 1_000,
          turnTimeoutMs: 12_000,
          rolloutTimeoutMs: 60_000,
        },
      }),
    );
    const [worker] = await statusesWhen(
      () => statuses.list(),
      // On a busy machine the search before it may be late, too.
      ([first]) =>
        first?.waits.some((wait) => wait.what === 'policy.generate' && wait.waitedMs > wait.expectedMs) ?? false,
    );
    expect(worker).toMatchObject({ workerId: 'worker-test', held: 1, limit: 64 });
    expect(worker?.waits).toMatchObject([
      { what: 'policy.generate', taskId: 'waiting', detail: 'turn 1', expectedMs: 6_000n },
    ]);
    expect(Number(worker?.waits[0]?.waitedMs)).toBeGreaterThan(6_000);
    // Counted at the watchdog's next look.
    await expect
      .poll(() => fleet.workers[0]?.metrics.render())
      .toContain('gradus_waits_overdue_total{component="worker",what="policy.generate"} 1');
    slow.resolve();
    await fleet.resultOf('waiting');
    await statusesWhen(
      () => statuses.list(),
      ([first]) => first?.held === 0 && first.waits.length === 0,
    );
  });

  it('comes back after NATS was unavailable, and ends with the worker', async () => {
    const statuses = createWorkerStatuses(fleet.nats);
    await fleet.restartNats(200);
    await statusesWhen(
      () => statuses.list().catch(() => []),
      (workers) => workers.length === 1,
    );
    await fleet.workers[0]?.stop();
    await statusesWhen(
      () => statuses.list(),
      (workers) => workers.length === 0,
    );
  });
});
