import { Phase } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { WorkerStatus } from '#proto/rollout/v1/worker_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import type { Watchdog } from '#platform/async/watchdog.ts';
import { currentStage } from '#run/ledger/run-state.ts';
import type { RunState } from '#run/ledger/run-state.ts';
import type { Gathering } from '../groups/gathering.ts';
import { overdueMessage } from './overdue-message.ts';
import type { CoordinatorWait, OpenGroup } from './overdue-message.ts';
import type { RunProgress } from './run-progress.ts';

export interface OverdueWatchOptions {
  readonly watchdog: Watchdog<CoordinatorWait>;
  readonly progress: RunProgress;
  state(): RunState;
  readonly trainTimeoutMs: number;
  readonly loadTimeoutMs: number;
  /** Asked only while no sample comes in, or something is overdue. Undefined when it cannot be known at the moment. */
  workers(signal: AbortSignal): Promise<readonly WorkerStatus[] | undefined>;
}

interface Expected {
  readonly what: CoordinatorWait;
  readonly subject: string;
  readonly expectedMs: number;
}

/** Groups that are watched at once, of which a run has a few hundred. */
export const maxOverdueWaits = 4_096;
const lookIntervalMs = 2_000;
/** A worker that starts says so within 3 s, also after NATS has lost what the others said. */
const workerExpectedMs = 5_000;
const leastExpectedMs = 10_000;

/**
 * Looks every two seconds, from the outside, at what a run waits for, and puts what is overdue into its progress. A group is overdue
 * when half of its deadline is gone; a step or a load after four times what the one before took, at most half of its deadline.
 */
export async function watchOverdue(options: OverdueWatchOptions, signal: AbortSignal): Promise<void> {
  const { progress, watchdog } = options;
  const waits = new Map<string, Disposable>();
  let missingBefore = 0;

  function follow(present: ReadonlyMap<string, Expected>): void {
    for (const [key, wait] of waits) {
      if (present.has(key)) continue;
      wait[Symbol.dispose]();
      waits.delete(key);
    }
    for (const [key, wait] of present) if (!waits.has(key)) waits.set(key, watchdog.begin(wait));
  }

  async function look(): Promise<void> {
    const open = [...progress.current.gatherings()].flatMap(openGroups);
    const missing = open.reduce((sum, { group }) => sum + group.missing.size, 0);
    const isStill = missing > 0 && missing === missingBefore;
    missingBefore = missing;
    const present = new Map<string, Expected>(
      open.map(({ group, expectedMs }) => [
        `group ${group.groupId}`,
        { what: 'group', subject: group.groupId, expectedMs },
      ]),
    );
    const scoring = [...progress.current.gatherings()].flatMap((gathering) => gathering.scoring);
    for (const [groupId, expectedMs] of [...progress.current.gatherings()].flatMap(scoringWaits))
      present.set(`scoring ${groupId}`, { what: 'group.scoring', subject: groupId, expectedMs });
    const call = callOf(options);
    if (call !== undefined) present.set(`${call.what} ${call.subject}`, call);
    const isLate = watchdog.overdue(1).length > 0;
    const workers = isStill || isLate ? await options.workers(signal) : undefined;
    if (isStill && workers?.length === 0)
      present.set('worker', { what: 'worker', subject: '', expectedMs: workerExpectedMs });
    follow(present);
    watchdog.check();
    const overdue = overdueMessage(
      watchdog.overdue(maxOverdueWaits),
      open.map(({ group }) => group),
      workers,
      scoring,
    );
    if (overdue !== progress.current.overdue) progress.update({ overdue });
  }

  while (!signal.aborted) {
    await look();
    await sleep(lookIntervalMs, signal).catch(() => undefined);
  }
}

function openGroups({ plan, collector }: Gathering): { readonly group: OpenGroup; readonly expectedMs: number }[] {
  return collector.groups.flatMap((group) => {
    if (group.settledAtMs !== undefined) return [];
    const missing = group.samples.filter(({ state }) => state === 'open' || state === 'waiting');
    const taskIds = new Set(missing.map(({ taskId }) => taskId));
    return [
      {
        group: { groupId: group.plan.groupId, size: group.samples.length, missing: taskIds },
        expectedMs: plan.policy.groupMs / 2,
      },
    ];
  });
}

/** Scoring has as long as the rollouts of a group have. */
function scoringWaits({ plan, scoring }: Gathering): (readonly [groupId: string, expectedMs: number])[] {
  return scoring.map(({ groupId }) => [groupId, plan.policy.groupMs / 2]);
}

/** The call to learner or engines that the run is in. */
function callOf({ progress, state, trainTimeoutMs, loadTimeoutMs }: OverdueWatchOptions): Expected | undefined {
  const now = state();
  const next = String(now.step + 1);
  const newest = currentStage(now)?.steps.at(-1)?.metrics ?? {};
  const expected = (lastSeconds: number | undefined, timeoutMs: number) =>
    Math.min(timeoutMs / 2, lastSeconds === undefined ? Infinity : Math.max(leastExpectedMs, 4_000 * lastSeconds));
  switch (progress.current.phase) {
    case Phase.OPEN:
      return { what: 'learner.open', subject: String(now.step), expectedMs: trainTimeoutMs / 2 };
    case Phase.TRAIN:
      return { what: 'learner.train', subject: next, expectedMs: expected(newest['time/train'], trainTimeoutMs) };
    case Phase.LOAD:
      return { what: 'policy.load', subject: next, expectedMs: expected(newest['time/sync'], loadTimeoutMs) };
    case Phase.UNSPECIFIED:
    case Phase.EVALUATE:
    case Phase.ROLLOUT:
      return undefined;
  }
}
