import type { WorkerStatus } from '#proto/rollout/v1/worker_pb.ts';
import type { PendingWait } from '#platform/async/watchdog.ts';
import type { ScoringGroup } from '../groupwise/background-scoring.ts';

/** What a coordinator can wait for. A label of a metric, so the set is closed. */
export const coordinatorWaits = [
  'worker',
  'group',
  'group.scoring',
  'learner.open',
  'learner.train',
  'policy.load',
] as const;
export type CoordinatorWait = (typeof coordinatorWaits)[number];

/** A group that is not whole. */
export interface OpenGroup {
  readonly groupId: string;
  readonly size: number;
  /** Tasks of the samples that are missing. */
  readonly missing: ReadonlySet<string>;
}

/**
 * The longest overdue wait of a run in a sentence, with the worker that holds it; empty when nothing is overdue. That there is
 * no worker explains the others, so it goes first.
 */
export function overdueMessage(
  overdue: readonly PendingWait<CoordinatorWait>[],
  groups: readonly OpenGroup[],
  workers: readonly WorkerStatus[] | undefined,
  scoring: readonly ScoringGroup[] = [],
): string {
  const worst = overdue.find(({ what }) => what === 'worker') ?? overdue[0];
  if (worst === undefined) return '';
  const others = overdue.length === 1 ? '' : `; ${overdue.length - 1} more overdue`;
  return `waiting ${seconds(worst.waitedMs)} for ${nameOf(worst, groups, workers, scoring)}${others}`;
}

function nameOf(
  { what, subject }: PendingWait<CoordinatorWait>,
  groups: readonly OpenGroup[],
  workers: readonly WorkerStatus[] | undefined,
  scoring: readonly ScoringGroup[],
): string {
  switch (what) {
    case 'worker':
      return `${groups.reduce((sum, group) => sum + group.missing.size, 0)} samples: no worker is alive`;
    case 'group':
      return samplesOf(subject, groups, workers);
    case 'group.scoring': {
      const asked = scoring.find(({ groupId }) => groupId === subject)?.what ?? '';
      return `the scores of group ${subject.slice(0, 8)}${asked === '' ? '' : `: ${asked}`}`;
    }
    case 'learner.open':
      return 'the learner to open the run';
    case 'learner.train':
      return `the learner to train step ${subject}`;
    case 'policy.load':
      return `the engines to load the weights of step ${subject}`;
  }
}

function samplesOf(
  groupId: string,
  groups: readonly OpenGroup[],
  workers: readonly WorkerStatus[] | undefined,
): string {
  const short = `group ${groupId.slice(0, 8)}`;
  const group = groups.find((candidate) => candidate.groupId === groupId);
  if (group === undefined) return short;
  const samples = `${group.missing.size} of ${group.size} samples of ${short}`;
  if (workers === undefined) return samples;
  const [oldest] = workers
    .flatMap(({ workerId, waits }) => waits.map((wait) => ({ workerId, wait, waitedMs: Number(wait.waitedMs) })))
    .filter(({ wait }) => group.missing.has(wait.taskId))
    .toSorted((a, b) => b.waitedMs - a.waitedMs);
  if (oldest === undefined) return `${samples}: none of ${workers.length} workers says that it holds one`;
  const { workerId, wait, waitedMs } = oldest;
  const detail = wait.detail === '' ? '' : ` (${wait.detail})`;
  return `${samples}: ${workerId} is in ${wait.what}${detail} for ${seconds(waitedMs)}`;
}

function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 1000)} s`;
}
