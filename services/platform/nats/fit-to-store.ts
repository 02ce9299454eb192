/**
 * Sizes of streams that are to be made, so that all of them fit into what the server has left. It does not say how much that is: a
 * stream with the size in question, made and deleted at once, finds out.
 */
import { JetStreamApiError, StorageType } from '@nats-io/jetstream';

import { sleep } from '../async/sleep.ts';
import { TerminalError } from '../errors.ts';
import type { Nats } from './connect.ts';
import { isMissingResource, isNameTaken } from './nats-errors.ts';
import { allBucketBytes, fitBounds, formatBytes, minimumFreeDiskBytes } from './store-bounds.ts';
import type { StreamBounds } from './store-bounds.ts';

const probeName = 'GRADUS_PROBE';
const noSpaceCodes = new Set([10002, 10023, 10047]);
/** How exactly the room is found. */
const stepBytes = 4 * 1024 ** 2;

export function isNoSpace(error: unknown): boolean {
  return error instanceof JetStreamApiError && noSpaceCodes.has(error.code);
}

/** What `fitToStore` says when the least that is needed is not there. */
export function isNoRoom(error: unknown): boolean {
  return error instanceof TerminalError && error.details['availableBytes'] !== undefined;
}

export interface StreamToFit {
  readonly name: string;
  readonly bounds: StreamBounds;
  /** Given as it is, or not at all. */
  readonly wantedBytes: number | undefined;
}

/** Bytes by name. Throws when the least that they need is not there, before anything is made. */
export async function fitToStore(nats: Nats, streams: readonly StreamToFit[]): Promise<ReadonlyMap<string, number>> {
  if (streams.length === 0) return new Map();
  const onDisk = new Map(
    streams.map(({ name, bounds, wantedBytes }) => [
      name,
      wantedBytes === undefined ? bounds : { defaultBytes: wantedBytes, minimumBytes: wantedBytes },
    ]),
  );
  const sum = (size: (bounds: StreamBounds) => number): number =>
    [...onDisk.values()].reduce((total, bounds) => total + size(bounds), 0);
  const [leastBytes, wholeBytes] = [sum((bounds) => bounds.minimumBytes), sum((bounds) => bounds.defaultBytes)];
  // The buckets are made later.
  if (await hasRoom(nats, wholeBytes + allBucketBytes)) return fitBounds(onDisk, wholeBytes) ?? new Map();
  const neededBytes = leastBytes + allBucketBytes;
  const fits = await hasRoom(nats, neededBytes);
  const limitBytes = fits ? wholeBytes + allBucketBytes : neededBytes;
  const availableBytes = await findRoom(nats, fits ? neededBytes : 0, limitBytes);
  const sizes = fitBounds(onDisk, availableBytes - allBucketBytes);
  if (sizes === undefined) {
    throw new TerminalError(
      'failed_precondition',
      `the NATS server has room for ${formatBytes(availableBytes)} of streams, and the ${onDisk.size} that are missing need ${formatBytes(neededBytes)} at least ` +
        `(all of them ${formatBytes(wholeBytes)}); free space where it keeps them and start it again ` +
        `(by itself it offers three quarters of the disk that is free at its start: ${formatBytes(minimumFreeDiskBytes)} free are enough), ` +
        'or raise max_file_store in its configuration',
      { details: { availableBytes, neededBytes } },
    );
  }
  nats.log.warn(
    { availableBytes, wantedBytes: wholeBytes, sizes: Object.fromEntries(sizes) },
    'the NATS server has less room than the streams ask for; they are made smaller',
  );
  return sizes;
}

async function findRoom(nats: Nats, fromBytes: number, toBytes: number): Promise<number> {
  let [enough, tooMuch] = [fromBytes, toBytes];
  while (tooMuch - enough > stepBytes) {
    const middle = Math.floor((enough + tooMuch) / 2);
    if (await hasRoom(nats, middle)) enough = middle;
    else tooMuch = middle;
  }
  return enough;
}

async function hasRoom(nats: Nats, bytes: number): Promise<boolean> {
  for (;;) {
    try {
      await nats.jsm.streams.add({
        name: probeName,
        subjects: ['gradus.probe'],
        storage: StorageType.File,
        max_bytes: Math.max(1, bytes),
        ...(nats.replicas !== undefined && { num_replicas: nats.replicas }),
      });
      await removeProbe(nats);
      return true;
    } catch (error) {
      if (isNoSpace(error)) return false;
      // One probe at a time: another process is at it, or has left it behind.
      if (!isNameTaken(error)) throw error;
      await sleep(50);
      await removeProbe(nats);
    }
  }
}

async function removeProbe(nats: Nats): Promise<void> {
  try {
    await nats.jsm.streams.delete(probeName);
  } catch (error) {
    if (!isMissingResource(error)) throw error;
  }
}
