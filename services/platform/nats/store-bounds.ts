/**
 * How much of a store the streams and buckets reserve. JetStream reserves a stream's bound when the stream is made, and by itself
 * a server offers three quarters of the disk that is free when it starts.
 *
 * Anyone who starts a server asks here, before it starts, whether the disk can do: `minimumFreeDiskBytes` must be free for a run at
 * all, with `defaultFreeDiskBytes` no bound is smaller than documented. In between `fitBounds` shares what there is, so that the
 * first stream does not take all of it.
 */
const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

/** Bounds of a stream, in bytes: what it gets where there is room, and what it cannot work without. */
export interface StreamBounds {
  readonly defaultBytes: number;
  readonly minimumBytes: number;
}

/** The minima hold a short run on small models: some 10,000 rollouts. */
export const streamBounds = {
  TASKS: { defaultBytes: 256 * MiB, minimumBytes: 32 * MiB },
  RESULTS: { defaultBytes: GiB, minimumBytes: 32 * MiB },
  LEDGER: { defaultBytes: GiB, minimumBytes: 32 * MiB },
  DEAD_LETTERS: { defaultBytes: 256 * MiB, minimumBytes: 8 * MiB },
  TRAJECTORIES: { defaultBytes: 8 * GiB, minimumBytes: 64 * MiB },
} as const satisfies Readonly<Record<string, StreamBounds>>;

/** What the buckets on disk reserve; those of leases and of running runs hold a few hundred bytes for each run. */
export const bucketBytes = { redeliveries: 16 * MiB, leases: 4 * MiB, running: 4 * MiB } as const;

/** Share of the free disk that a server without a limit of its own offers to streams; ours is given as much. */
export const offeredShare = 0.75;

function sumOf(sizes: Iterable<number>): number {
  let sum = 0;
  for (const size of sizes) sum += size;
  return sum;
}

/** Kept free for the buckets, which are made when they are used. */
export const allBucketBytes = sumOf(Object.values(bucketBytes));

/** Room that a server must offer, below which no stream is made. */
export const minimumStoreBytes = allBucketBytes + sumOf(Object.values(streamBounds).map((each) => each.minimumBytes));

/** Room that a server must offer for all bounds as documented. */
export const defaultStoreBytes = allBucketBytes + sumOf(Object.values(streamBounds).map((each) => each.defaultBytes));

/** Free disk, in bytes, that a server without a limit of its own needs at its start to offer the minimum. */
export const minimumFreeDiskBytes = Math.ceil(minimumStoreBytes / offeredShare);

/** Free disk, in bytes, that a server without a limit of its own needs at its start to offer all bounds as documented. */
export const defaultFreeDiskBytes = Math.ceil(defaultStoreBytes / offeredShare);

/**
 * Shares `availableBytes` among streams: each has its minimum, and the rest goes to all in proportion to what they lack. Undefined
 * when the minima do not fit. Whole MiB, never more than the default.
 */
export function fitBounds<Name extends string>(
  wanted: ReadonlyMap<Name, StreamBounds>,
  availableBytes: number,
): ReadonlyMap<Name, number> | undefined {
  const bounds = [...wanted.values()];
  const leastBytes = sumOf(bounds.map(({ minimumBytes }) => minimumBytes));
  if (leastBytes > availableBytes) return undefined;
  const lackedBytes = sumOf(bounds.map(({ defaultBytes }) => defaultBytes)) - leastBytes;
  const share = lackedBytes === 0 ? 1 : Math.min(1, (availableBytes - leastBytes) / lackedBytes);
  return new Map(
    [...wanted].map(([name, { defaultBytes, minimumBytes }]) => {
      const fitted = minimumBytes + share * (defaultBytes - minimumBytes);
      return [name, share === 1 ? defaultBytes : Math.max(minimumBytes, Math.floor(fitted / MiB) * MiB)];
    }),
  );
}

/** `1.2 GiB`, `96 MiB`: for people. */
export function formatBytes(bytes: number): string {
  return bytes >= GiB ? `${(bytes / GiB).toFixed(1)} GiB` : `${Math.ceil(bytes / MiB)} MiB`;
}
