/** A hand-over from callbacks to one reader. Bounded by the one who pushes: nothing is pulled that has no room. */
export interface MessageQueue<T> {
  readonly size: number;
  push(item: T): void;
  /** The reader sees the end after what is queued. */
  end(error?: Error): void;
  /** Takes what is left, without waiting. */
  drain(): T[];
  next(): Promise<IteratorResult<T, undefined>>;
  /** Resolves when nothing is queued, or at the end: nobody may take what is left then. */
  whenEmpty(): Promise<void>;
}

export function createMessageQueue<T>(): MessageQueue<T> {
  let items: T[] = [];
  let head = 0;
  let ended = false;
  let failure: Error | undefined;
  let wakeReader: (() => void) | undefined;
  let wakeEmpty: (() => void)[] = [];

  function wake(): void {
    wakeReader?.();
    wakeReader = undefined;
  }

  function emptied(): void {
    items = [];
    head = 0;
    wakeWriters();
  }

  function wakeWriters(): void {
    const waiting = wakeEmpty;
    wakeEmpty = [];
    for (const resolve of waiting) resolve();
  }

  return {
    get size() {
      return items.length - head;
    },
    push(item) {
      items.push(item);
      wake();
    },
    end(error) {
      ended = true;
      failure ??= error;
      wake();
      wakeWriters();
    },
    drain() {
      const left = items.slice(head);
      emptied();
      return left;
    },
    async next() {
      for (;;) {
        const item = items[head];
        if (item !== undefined) {
          head += 1;
          if (head === items.length) emptied();
          return { done: false, value: item };
        }
        if (failure !== undefined) throw failure;
        if (ended) return { done: true, value: undefined };
        await new Promise<void>((resolve) => (wakeReader = resolve));
      }
    },
    async whenEmpty() {
      if (items.length === head || ended) return;
      await new Promise<void>((resolve) => wakeEmpty.push(resolve));
    },
  };
}
