import { streams } from '#platform/nats/streams.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { createIndexBucket } from '../leadership/index-bucket.ts';

/** A run that waits until it may begin. */
export interface WaitingRun {
  readonly runId: string;
  readonly priority: number;
  /** Position of the LEDGER stream when it came. */
  readonly since: number;
  readonly changesPolicy: boolean;
}

/**
 * The queue of a fleet, as an index in the bucket of running runs: whether a run waits is in its ledger (`RunQueued`). All that the order
 * follows from is in the key, so one request reads the queue.
 */
export interface WaitingRuns {
  /** Who begins first comes first: by priority, then by when it came. */
  list(signal: AbortSignal): Promise<readonly WaitingRun[]>;
  add(run: Omit<WaitingRun, 'since'>, signal: AbortSignal): Promise<void>;
  remove(runId: string, signal: AbortSignal): Promise<void>;
}

export function createWaitingRuns(nats: Nats, fleetId: string): WaitingRuns {
  const bucket = createIndexBucket(nats);
  return {
    async list(signal) {
      const keys = await bucket.keys(`${fleetId}.waiting.*.*.*.*`, signal);
      return keys.map(parseKey).sort(inOrder);
    },
    async add({ runId, priority, changesPolicy }, signal) {
      const { state } = await nats.jsm.streams.info(streams.ledger);
      const key = [fleetId, 'waiting', priority, state.last_seq, changesPolicy ? 'alone' : 'shared', runId].join('.');
      await bucket.put(key, '', anyOf(runId), signal);
    },
    remove: (runId, signal) => bucket.remove(anyOf(runId), signal),
  };
}

const anyOf = (runId: string): string => `*.waiting.*.*.*.${runId}`;

function parseKey(key: string): WaitingRun {
  const [, , priority, since, kind, runId = ''] = key.split('.');
  return { runId, priority: Number(priority), since: Number(since), changesPolicy: kind === 'alone' };
}

function inOrder(a: WaitingRun, b: WaitingRun): number {
  return b.priority - a.priority || a.since - b.since || a.runId.localeCompare(b.runId);
}
