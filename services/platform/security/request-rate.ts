/** How often one caller may ask: so many requests a second on average, and as many as two seconds have at once. */
import { LRUCache } from 'lru-cache';

export interface RequestRate {
  /** Counts a request of `caller`. Milliseconds until it may ask; 0 where it may now. */
  take(caller: string): number;
}

/** Callers that are remembered; one that was forgotten begins anew. */
const mostCallers = 10_000;

interface Bucket {
  /** Requests that may come at once. */
  room: number;
  atMs: number;
}

/** A token bucket for each caller. `perSecond` is above 0. */
export function createRequestRate(perSecond: number, now: () => number = () => performance.now()): RequestRate {
  const most = Math.max(1, 2 * perSecond);
  const buckets = new LRUCache<string, Bucket>({ max: mostCallers });
  return {
    take(caller) {
      const atMs = now();
      const before = buckets.get(caller) ?? { room: most, atMs };
      const room = Math.min(most, before.room + ((atMs - before.atMs) / 1_000) * perSecond);
      const isGiven = room >= 1;
      buckets.set(caller, { room: isGiven ? room - 1 : room, atMs });
      return isGiven ? 0 : Math.ceil(((1 - room) / perSecond) * 1_000);
    },
  };
}
