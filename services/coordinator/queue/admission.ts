import type { RunningRun } from '../leadership/running-runs.ts';
import type { WaitingRun } from './waiting-runs.ts';

/** Of a run in the queue: its place from 1, and for people what it waits for. */
export interface QueuePlace {
  readonly position: number;
  readonly reason: string;
}

export interface FleetLoad {
  readonly fleetId: string;
  readonly maxRuns: number;
  readonly running: ReadonlyMap<string, RunningRun>;
  /** In the order in which they begin, without those that go on by now. */
  readonly waiting: readonly WaitingRun[];
}

/**
 * Where a run has to wait, or undefined where it may begin. Who is first in the queue and cannot begin holds up those behind, so a run that changes
 * the policy, and has to be alone, gets its turn.
 */
export function placeOf(run: Omit<WaitingRun, 'since'>, load: FleetLoad): QueuePlace | undefined {
  const others = load.waiting.filter(({ runId }) => runId !== run.runId);
  const known = load.waiting.findIndex(({ runId }) => runId === run.runId);
  const ahead = known === -1 ? others.filter(({ priority }) => priority >= run.priority) : load.waiting.slice(0, known);
  const last = ahead.at(-1);
  const reason = last === undefined ? heldUpBy(run, load) : `behind run ${last.runId} in the queue`;
  return reason === undefined ? undefined : { position: ahead.length + 1, reason };
}

function heldUpBy(
  { runId, changesPolicy }: Pick<WaitingRun, 'runId' | 'changesPolicy'>,
  { fleetId, maxRuns, running }: FleetLoad,
): string | undefined {
  const others = [...running].filter(([id]) => id !== runId);
  if (others.length === 0) return undefined;
  const names = others.map(([id]) => id).join(', ');
  const alone = others.find(([, other]) => other.changesPolicy)?.[0] ?? (changesPolicy ? runId : undefined);
  const reasons = [
    ...(others.length >= maxRuns
      ? [`fleet ${fleetId} has ${others.length} of at most ${maxRuns} runs (${names})`]
      : []),
    ...(alone === undefined
      ? []
      : [
          `run ${alone} changes the policy and goes on alone${alone === runId ? `, after ${names}` : ''}: a fleet has one learner, and its engines have one set of weights`,
        ]),
  ];
  return reasons.length === 0 ? undefined : reasons.join('; ');
}
