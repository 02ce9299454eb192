import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { stageFile } from '#recipe/resolve-recipe.ts';
import type { ResolvedRecipe } from '#recipe/resolve-recipe.ts';
import type { BatchSource } from '#stages/kit/learner-batch.ts';
import { readLedger } from '#run/ledger/read-ledger.ts';
import { readTrajectory } from '../groups/read-trajectory.ts';

/** What batches are made of, from the streams of a run and the files of its recipe. */
export function createBatchSource(
  nats: Nats,
  runId: string,
  { recipe, paths }: ResolvedRecipe,
  signal: AbortSignal,
): BatchSource {
  const made = new Map<string, Promise<unknown>>();
  return {
    seed: recipe.seed,
    file: (stage, name) => stageFile(paths, stage, name),
    trajectory: (sample) => readTrajectory(nats, runId, sample),
    async *groupsOf(stage) {
      const names = new Map<string, string>();
      for await (const { fact } of readLedger(nats, runId, signal)) {
        if (fact.case === 'groupOpened') names.set(fact.value.groupId, fact.value.stage);
        if (fact.case !== 'groupClosed' || names.get(fact.value.groupId) !== stage) continue;
        if (fact.value.fate !== GroupFate.SURPLUS) yield fact.value;
      }
    },
    // Whatever it is, a kind asks with one type for one key.
    once<T>(key: string, make: () => Promise<T>) {
      const known = made.get(key) as Promise<T> | undefined;
      const promise = known ?? make();
      if (known === undefined) {
        made.set(key, promise);
        // What failed is tried again when it is asked for the next time.
        promise.catch(() => made.delete(key));
      }
      return promise;
    },
    // A learner that refuses with FAILED_PRECONDITION is opened again; this one is no learner's.
    nothing: (message) => new TerminalError('invalid_argument', message),
  };
}
