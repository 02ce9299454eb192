import { z } from 'zod';
import type { Nats } from '#platform/nats/connect.ts';
import { lowestPriority } from '#submission/contract.ts';
import { createIndexBucket } from './index-bucket.ts';

/** What others have to know of a run that goes on. */
export interface RunningRun {
  readonly priority: number;
  /** The learner and the weights of the engines are its own. */
  readonly changesPolicy: boolean;
}

/**
 * Runs of a fleet that have begun and not ended: who may have to be taken over. What the index lacks a leader adds again.
 */
export interface RunningRuns {
  list(signal: AbortSignal): Promise<string[]>;
  /** Those runs, by id. */
  describe(runIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, RunningRun>>;
  /** The run belongs to this fleet from now on, and to no other. */
  add(runId: string, run: RunningRun, signal: AbortSignal): Promise<void>;
  remove(runId: string, signal: AbortSignal): Promise<void>;
}

const entrySchema = z.object({ priority: z.number(), changesPolicy: z.boolean() });

export function createRunningRuns(nats: Nats, fleetId: string): RunningRuns {
  const bucket = createIndexBucket(nats);
  /** What is known of a run changes only where it is added again. */
  const known = new Map<string, RunningRun>();

  return {
    async list(signal) {
      const keys = await bucket.keys(`${fleetId}.*`, signal);
      return keys.map((key) => key.slice(fleetId.length + 1));
    },
    async describe(runIds, signal) {
      for (const runId of known.keys()) if (!runIds.includes(runId)) known.delete(runId);
      for (const runId of runIds.filter((id) => !known.has(id))) {
        const text = await bucket.get(`${fleetId}.${runId}`, signal);
        // Absent: it has ended meanwhile.
        if (text !== undefined) known.set(runId, parseEntry(text));
      }
      return known;
    },
    async add(runId, run, signal) {
      await bucket.put(`${fleetId}.${runId}`, JSON.stringify(run), `*.${runId}`, signal);
      known.set(runId, run);
    },
    remove: (runId, signal) => bucket.remove(`*.${runId}`, signal),
  };
}

/** Earlier versions wrote the priority alone, or nothing that is a number. */
function parseEntry(text: string): RunningRun {
  const priority = Number(text);
  if (!Number.isNaN(priority)) return { priority: priority || lowestPriority, changesPolicy: false };
  return entrySchema.parse(JSON.parse(text));
}
