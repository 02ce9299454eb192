export interface Waiter<Request, Place> {
  readonly request: Request;
  /** Either one takes it out of the queue. */
  resolve(place: Place): void;
  reject(error: Error): void;
}

/** Requests that wait: greater priority first, then the earlier one. */
export function createWaitingQueue<Request, Place>() {
  /** By priority, the greatest first; a set keeps the order of arrival. */
  let ranks: readonly { readonly priority: number; readonly waiters: Set<Waiter<Request, Place>> }[] = [];
  let size = 0;

  function rankOf(priority: number): Set<Waiter<Request, Place>> {
    const known = ranks.find((rank) => rank.priority === priority);
    if (known !== undefined) return known.waiters;
    const waiters = new Set<Waiter<Request, Place>>();
    ranks = [...ranks, { priority, waiters }].sort((left, right) => right.priority - left.priority);
    return waiters;
  }

  return {
    get size(): number {
      return size;
    },
    /** Of the one whose turn it is; less than any when nobody waits. */
    firstPriority: (): number => ranks.find(({ waiters }) => waiters.size > 0)?.priority ?? -1,
    enter(request: Request, priority: number) {
      const { promise: settled, resolve, reject } = Promise.withResolvers<Place>();
      const rank = rankOf(priority);
      const leave = (): void => {
        if (rank.delete(waiter)) size -= 1;
      };
      const waiter: Waiter<Request, Place> = {
        request,
        resolve: (place) => (leave(), resolve(place)),
        reject: (error) => (leave(), reject(error)),
      };
      rank.add(waiter);
      size += 1;
      return { waiter, settled };
    },
    *inOrder(): Generator<Waiter<Request, Place>> {
      for (const { waiters } of ranks) yield* waiters;
    },
  };
}
