import { LRUCache } from 'lru-cache';
import type { EncodedHits } from './encoded-hits.ts';

/** Answers of queries, the least recently used given up first. A key names the index version and all that decides. */
export interface ResultCache {
  readonly bytes: number;
  get(key: string): EncodedHits | undefined;
  /** Keeps a copy. */
  set(key: string, hits: EncodedHits): void;
  clear(): void;
}

/** What an entry takes next to key and value: two objects, an array buffer, list links and a slot of the map. */
const entryBytes = 250;
/** `maxBytes` 0: nothing is kept. */
export function createResultCache(maxBytes: number): ResultCache {
  if (maxBytes === 0) return { bytes: 0, get: () => undefined, set: () => {}, clear: () => {} };
  const cache = new LRUCache<string, EncodedHits>({
    maxSize: maxBytes,
    // One answer of many megabytes should not drive out everything else.
    maxEntrySize: Math.ceil(maxBytes / 8),
    sizeCalculation: (hits, key) => hits.byteLength + 2 * key.length + entryBytes,
  });
  return {
    get bytes() {
      return cache.calculatedSize;
    },
    get: (key) => cache.get(key),
    set(key, hits) {
      // A view would keep the answers of a whole batch alive.
      cache.set(key, hits.slice());
    },
    clear: () => cache.clear(),
  };
}
