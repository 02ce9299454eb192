/** What one caller waits for, first in first out. */
interface Share<T> {
  readonly items: readonly T[];
  next: number;
}

/**
 * Waiting work of many callers, served in turns: a caller with 256 queries does not make one with a single query wait for
 * all of them. Anyone who adds bounds what waits.
 */
export interface FairQueue<T> {
  /** Items that wait; those that `isWanted` will refuse are among them. */
  readonly size: number;
  /** The work of one caller, in order. */
  push(items: readonly T[]): void;
  /** At most `count` items, one of each caller in turn. Those that `isWanted` refuses are left out for good. */
  take(count: number, isWanted: (item: T) => boolean): T[];
  /** Forgets all that `isWanted` refuses. */
  sweep(isWanted: (item: T) => boolean): void;
}

export function createFairQueue<T>(): FairQueue<T> {
  let shares: Share<T>[] = [];
  /** Shares before this one are done. */
  let head = 0;
  let size = 0;

  function nextShare(): Share<T> | undefined {
    const share = shares[head];
    if (share === undefined) return undefined;
    head += 1;
    // What is done is forgotten once it is most of the list: every share is moved a bounded number of times.
    if (head > 64 && 2 * head > shares.length) {
      shares = shares.slice(head);
      head = 0;
    }
    return share;
  }

  return {
    get size() {
      return size;
    },
    push(items) {
      if (items.length === 0) return;
      size += items.length;
      shares.push({ items, next: 0 });
    },
    take(count, isWanted) {
      const taken: T[] = [];
      while (taken.length < count) {
        const share = nextShare();
        if (share === undefined) break;
        const item = share.items[share.next];
        share.next += 1;
        if (share.next < share.items.length) shares.push(share);
        if (item === undefined) continue;
        size -= 1;
        if (isWanted(item)) taken.push(item);
      }
      return taken;
    },
    sweep(isWanted) {
      shares = shares
        .slice(head)
        .map(({ items, next }) => ({ items: items.slice(next).filter(isWanted), next: 0 }))
        .filter(({ items }) => items.length > 0);
      head = 0;
      size = shares.reduce((sum, { items }) => sum + items.length, 0);
    },
  };
}
