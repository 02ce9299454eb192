/**
 * A drift that lasts. What is published, settled and removed at the moment looks like one in a single reading, and on a busy server
 * in many of them, but those are other messages each time: their number falls and rises, and comes to none. A number that only
 * rises or stays is that of the same messages.
 */
import { driftOf } from './consumer-drift.ts';
import type { Drift, ConsumerReading } from './consumer-drift.ts';

/** Readings in a row in which it did not fall: where nothing else of that purpose moved, and where something did. */
const enough = { still: 4, moving: 12 };
/** Then it is looked for again later. */
const mostReadings = 36;

/** Reads the consumer of a purpose, with pauses in between, until it is clear. Undefined when no drift was in each of the readings. */
export async function lastingDrift(
  read: () => Promise<ConsumerReading>,
  pause: () => Promise<void>,
): Promise<Drift | undefined> {
  let before = await read();
  let least = driftOf(before);
  let held = 1;
  let still = 1;
  for (let readings = 1; least !== undefined && readings < mostReadings; readings += 1) {
    await pause();
    const present = await read();
    const lasting = sharedBy(least, driftOf(present));
    held = lasting !== undefined && isSame(lasting, least) ? held + 1 : 1;
    still = isStill(before, present) ? still + 1 : 1;
    least = lasting;
    before = present;
    if (least !== undefined && (held >= enough.moving || Math.min(held, still) >= enough.still)) return least;
  }
  return undefined;
}

/** What is wrong in both. */
function sharedBy(one: Drift, other: Drift | undefined): Drift | undefined {
  if (other === undefined) return undefined;
  const gone = Math.min(one.gone, other.gone);
  const forgotten = Math.min(one.forgotten, other.forgotten);
  const isAhead = one.isAhead && other.isAhead;
  return gone === 0 && forgotten === 0 && !isAhead ? undefined : { gone, forgotten, isAhead };
}

function isSame(one: Drift, other: Drift): boolean {
  return one.gone === other.gone && one.forgotten === other.forgotten && one.isAhead === other.isAhead;
}

/** Tasks of the other purpose may move. */
function isStill(one: ConsumerReading, other: ConsumerReading): boolean {
  return (['storedBefore', 'storedAfter', 'pending', 'ackPending', 'deliveredSequence'] as const).every(
    (each) => one[each] === other[each],
  );
}
