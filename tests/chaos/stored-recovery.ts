import type { FaultRecord } from './recovery-table.ts';
import type { StoredRun } from './stored-run.ts';

/** A message that was on its way when its sender was killed is not a sign of life; a dying process may still be handed tasks. */
const dyingMs = 250;

/**
 * Times that the streams show better than a watcher: by the server's clock, and whatever the watcher's connection went
 * through. Of a coordinator, the next fact; of a worker, the start of the last rollout that had to start again.
 */
export function recoveryFromStreams(
  faults: readonly FaultRecord[],
  { entries, results }: Pick<StoredRun, 'entries' | 'results'>,
): readonly FaultRecord[] {
  const openedAt = new Map<string, number>();
  for (const { value, atMs } of entries) {
    if (value.fact.case !== 'groupOpened') continue;
    for (const taskId of value.fact.value.taskIds) openedAt.set(taskId, atMs);
  }
  /** First result of each task. */
  const answers = new Map<string, { atMs: number; startedMs: number }>();
  for (const { value, atMs } of results)
    if (!answers.has(value.taskId)) answers.set(value.taskId, { atMs, startedMs: atMs - value.durationMs });

  /** Undefined when the worker held nothing that had to start again. */
  function heldAgain(fault: FaultRecord): number | undefined {
    let last: number | undefined;
    for (const [taskId, { atMs, startedMs }] of answers) {
      const wasHeld = (openedAt.get(taskId) ?? Infinity) < fault.atMs && atMs > fault.atMs;
      if (wasHeld && startedMs > fault.atMs) last = Math.max(last ?? 0, startedMs - fault.atMs);
    }
    return last;
  }

  return faults.map((fault) => {
    if (fault.recoveredMs === undefined) return fault;
    if (fault.excusedUntilMs !== undefined && fault.action !== 'full-disk') {
      // What an orphan of the old fleet stored meanwhile is not the resumed run.
      const next = entries.find(({ atMs, value }) => atMs > fault.fromMs && value.fact.case === 'runResumed');
      return next === undefined ? fault : { ...fault, recoveredMs: next.atMs - fault.fromMs };
    }
    if (fault.service === 'coordinator') {
      const next = entries.find(({ atMs }) => atMs > fault.atMs + dyingMs);
      const recoveredMs = next === undefined ? 0 : Math.max(0, next.atMs - fault.fromMs);
      // Anyone who takes a run over says so first; without that the killed one was not the leader.
      const isStandby = fault.action === 'kill' && next?.value.fact.case !== 'runResumed';
      if (isStandby) return { ...fault, recoveredMs, service: 'coordinator, standby' };
      return { ...fault, recoveredMs };
    }
    const heldAgainMs = fault.service === 'rollout' && fault.action === 'kill' ? heldAgain(fault) : undefined;
    return heldAgainMs === undefined ? fault : { ...fault, heldAgainMs };
  });
}

/** When a run stored a fact or the first result of a rollout, in order. */
export function progressTimes({ entries, results }: Pick<StoredRun, 'entries' | 'results'>): readonly number[] {
  const first = new Map<string, number>();
  for (const { value, atMs } of results) if (!first.has(value.taskId)) first.set(value.taskId, atMs);
  return [...entries.map(({ atMs }) => atMs), ...first.values()].toSorted((a, b) => a - b);
}
