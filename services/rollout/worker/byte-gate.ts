/** Room for bytes: anyone who does not fit waits, in order. One that is larger than all the room enters alone. */
export interface ByteGate {
  readonly usedBytes: number;
  /** Resolves when there is room; dispose it to leave. */
  enter(bytes: number): Promise<Disposable>;
}

export function createByteGate(maxBytes: number): ByteGate {
  const waiting: { readonly bytes: number; readonly open: () => void }[] = [];
  let used = 0;

  function admit(): void {
    for (let next = waiting[0]; next !== undefined && fits(next.bytes); next = waiting[0]) {
      waiting.shift();
      used += next.bytes;
      next.open();
    }
  }
  const fits = (bytes: number): boolean => used === 0 || used + bytes <= maxBytes;

  return {
    get usedBytes() {
      return used;
    },
    async enter(bytes) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ bytes, open: resolve });
      admit();
      await promise;
      return {
        [Symbol.dispose]() {
          used -= bytes;
          admit();
        },
      };
    },
  };
}
