import { openBucket, runningBucket as bucket } from '#platform/nats/bucket-settings.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { onLink } from '#platform/nats/link.ts';
import { lowestPriority } from '#submission/contract.ts';
import { errorFromNats, isMissingResource } from '#platform/nats/nats-errors.ts';

const subject = (fleetId: string, runId: string) => `$KV.${bucket}.${fleetId}.${runId}`;

/**
 * Runs of a fleet that have begun and not ended: who may have to be taken over. It only saves reading every ledger; what it says
 * too much is found out there, and what it lacks a leader adds again.
 */
export interface RunningRuns {
  list(signal: AbortSignal): Promise<string[]>;
  /** Of those runs, by id. */
  priorities(runIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
  /** The run belongs to this fleet from now on, and to no other. */
  add(runId: string, priority: number, signal: AbortSignal): Promise<void>;
  remove(runId: string, signal: AbortSignal): Promise<void>;
}

export function createRunningRuns(nats: Nats, fleetId: string): RunningRuns {
  const { jsm } = nats;
  /** The priority of a run changes only where it is added again. */
  const known = new Map<string, number>();

  async function ask<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
    await nats.link.whenUp(signal);
    try {
      return await onLink(nats.link, signal, request);
    } catch (thrown) {
      throw errorFromNats(thrown, `bucket ${bucket}`);
    }
  }
  const open = (signal: AbortSignal) => ask(signal, () => openBucket(nats, bucket));
  // Purged rather than deleted: a deletion would leave a mark that counts as an entry.
  const purge = (filter: string) => jsm.streams.purge(`KV_${bucket}`, { filter });

  return {
    async list(signal) {
      const prefix = subject(fleetId, '');
      try {
        const info = await ask(signal, () => jsm.streams.info(`KV_${bucket}`, { subjects_filter: `${prefix}*` }));
        return Object.keys(info.state.subjects ?? {}).map((found) => found.slice(prefix.length));
      } catch (thrown) {
        if (thrown instanceof Error && isMissingResource(thrown.cause)) return [];
        throw thrown;
      }
    },
    async priorities(runIds, signal) {
      for (const runId of known.keys()) if (!runIds.includes(runId)) known.delete(runId);
      const unknown = runIds.filter((runId) => !known.has(runId));
      if (unknown.length === 0) return known;
      const kv = await open(signal);
      for (const runId of unknown) {
        const entry = await ask(signal, () => kv.get(`${fleetId}.${runId}`));
        // Has ended meanwhile, or was added by a version that knew no priorities.
        if (entry !== null) known.set(runId, Number(entry.string()) || lowestPriority);
      }
      return known;
    },
    async add(runId, priority, signal) {
      const kv = await open(signal);
      await ask(signal, () => purge(subject('*', runId)));
      await ask(signal, () => kv.put(`${fleetId}.${runId}`, `${priority}`));
      known.set(runId, priority);
    },
    async remove(runId, signal) {
      await open(signal);
      await ask(signal, () => purge(subject('*', runId)));
    },
  };
}
