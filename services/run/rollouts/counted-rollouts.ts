import type { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { errorFrom } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { ledgerEntries } from '../ledger/read-ledger.ts';

/**
 * What a run made of a rollout: a reward, none (it is absent, or another result of its task was counted), or nothing yet, since its group is open or no
 * run asked for it.
 */
export type CountedReward =
  | { readonly kind: 'reward'; readonly reward: number }
  | { readonly kind: 'none' }
  | { readonly kind: 'open' };

/** The group of a rollout, as the ledger has it. */
export interface GroupFacts {
  /** Step of the stage, from 0; of an evaluation the step that it follows. */
  readonly step: number;
  /** Which evaluation, for example `before`; empty for training. */
  readonly evaluation: string;
  readonly questionId: string;
  /** Undefined while it is open. */
  readonly fate: GroupFate | undefined;
}

export interface CountedRollout {
  readonly reward: CountedReward;
  /** Undefined for a rollout that no coordinator asked for, as those of `gradus bench`. */
  readonly group: GroupFacts | undefined;
}

/** Looks rollouts up in the ledgers of runs, each of which is read once. */
export function createCountedRollouts(nats: Nats, signal: AbortSignal) {
  const runs = new Map<string, Promise<LedgerFacts>>();
  return async ({ runId, taskId, groupId, trajectorySequence }: RolloutResult): Promise<CountedRollout> => {
    const known = runs.get(runId) ?? readFacts(nats, runId, signal);
    runs.set(runId, known);
    const { closed, groups } = await known;
    const counted = closed.get(taskId);
    return { reward: rewardOf(counted, trajectorySequence), group: groups.get(groupId) };
  };
}

/** A task may leave several results: attempts that failed, a straggler that came after all. One of them is counted, known by its trajectory. */
function rewardOf(counted: Counted | undefined, trajectorySequence: bigint): CountedReward {
  if (counted === undefined) return { kind: trajectorySequence === 0n ? 'none' : 'open' };
  return counted.reward === undefined || counted.trajectorySequence !== trajectorySequence
    ? { kind: 'none' }
    : { kind: 'reward', reward: counted.reward };
}

interface Counted {
  readonly reward: number | undefined;
  readonly trajectorySequence: bigint;
}

interface LedgerFacts {
  /** What the closes of groups say, by task. */
  readonly closed: ReadonlyMap<string, Counted>;
  readonly groups: ReadonlyMap<string, GroupFacts>;
}

async function readFacts(nats: Nats, runId: string, signal: AbortSignal): Promise<LedgerFacts> {
  const closed = new Map<string, Counted>();
  const groups = new Map<string, GroupFacts>();
  const entries = await ledgerEntries(nats, runId, signal).catch((thrown: unknown) => {
    const error = errorFrom(thrown);
    if (error.code === 'not_found') return [];
    throw error;
  });
  for (const { fact } of entries) {
    if (fact.case === 'groupOpened') {
      const { groupId, step, evaluation, questionId } = fact.value;
      groups.set(groupId, { step, evaluation, questionId, fate: undefined });
    }
    if (fact.case !== 'groupClosed') continue;
    const { groupId, fate, samples } = fact.value;
    const opened = groups.get(groupId);
    if (opened !== undefined) groups.set(groupId, { ...opened, fate });
    for (const { taskId, reward, trajectorySequence } of samples)
      if (!closed.has(taskId)) closed.set(taskId, { reward, trajectorySequence });
  }
  return { closed, groups };
}
