import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { errorFrom } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { readLedgerEntries } from '../ledger/weights-history.ts';

/** What a run made of a rollout: a reward, none (it is absent), or nothing yet, since its group is open or no run asked for it. */
export type CountedReward =
  | { readonly kind: 'reward'; readonly reward: number }
  | { readonly kind: 'none' }
  | { readonly kind: 'open' };

/** Looks rewards up in the ledgers of runs, each of which is read once. */
export function createCountedRewards(nats: Nats, signal: AbortSignal) {
  const runs = new Map<string, Promise<ReadonlyMap<string, CountedReward>>>();
  return async ({ runId, taskId, trajectorySequence }: RolloutResult): Promise<CountedReward> => {
    const known = runs.get(runId) ?? readRewards(nats, runId, signal);
    runs.set(runId, known);
    return (await known).get(taskId) ?? { kind: trajectorySequence === 0n ? 'none' : 'open' };
  };
}

async function readRewards(nats: Nats, runId: string, signal: AbortSignal): Promise<Map<string, CountedReward>> {
  const rewards = new Map<string, CountedReward>();
  const entries = await readLedgerEntries(nats, runId, signal).catch((thrown: unknown) => {
    const error = errorFrom(thrown);
    // Rollouts that no coordinator asked for, as those of `gradus bench`.
    if (error.code === 'not_found') return [];
    throw error;
  });
  for (const { fact } of entries) {
    if (fact.case !== 'groupClosed') continue;
    for (const { taskId, reward } of fact.value.samples)
      if (!rewards.has(taskId))
        rewards.set(taskId, reward === undefined ? { kind: 'none' } : { kind: 'reward', reward });
  }
  return rewards;
}
