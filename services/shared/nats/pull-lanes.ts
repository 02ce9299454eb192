/**
 * Keeps a worker's slots filled from two lanes of the queue, evaluation first.
 *
 * A lane is asked for what it has now, for all the room there is. One that had less gets a bell: a pull request for one task,
 * which the server answers as soon as there is one. While a lane's bell is silent the lane is empty, so training is asked only
 * when no evaluation waits, and nobody polls. Both bells may ring for the last slot: one task more than there is room for.
 */
import type { Msg } from '@nats-io/transport-node';

import { sleep } from '../async/sleep.ts';
import type { Nats } from './connect.ts';
import type { Lane } from './hand-out.ts';
import { pull } from './pull.ts';
import type { PullEnd } from './pull.ts';
import { ensureStreams, streams, workerConsumers } from './streams.ts';

export interface LanesOptions {
  readonly signal: AbortSignal;
  /** Tasks that may be taken now. */
  readonly room: () => number;
  readonly receive: (message: Msg, lane: Lane) => void;
}

export interface LanesPuller {
  /** Resolves after the signal; rejects when the queue cannot be read. */
  readonly ended: Promise<void>;
  roomChanged(): void;
}

const lanes = ['eval', 'train'] as const;

export function pullLanes(nats: Nats, options: LanesOptions): LanesPuller {
  const { signal } = options;
  const bells = new Map<Lane, Promise<void>>();
  let missing = false;
  let wake: (() => void) | undefined;

  function changed(): void {
    wake?.();
    wake = undefined;
  }
  signal.addEventListener('abort', changed, { once: true });

  function ask(lane: Lane, batch: number, wait: boolean): Promise<PullEnd> {
    const onMessage = (message: Msg): void => options.receive(message, lane);
    return pull(nats, { stream: streams.tasks, consumer: workerConsumers[lane], batch, wait, signal, onMessage });
  }

  async function hangBell(lane: Lane): Promise<void> {
    if ((await ask(lane, 1, true)) === 'missing') missing = true;
    bells.delete(lane);
    changed();
  }

  async function fill(): Promise<void> {
    while (!signal.aborted) {
      if (missing) {
        await recreate(nats, signal);
        missing = false;
      }
      const room = options.room();
      const lane = lanes.find((one) => !bells.has(one));
      if (room <= 0 || lane === undefined) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      await nats.link.whenUp(signal);
      const end = await ask(lane, room, false);
      if (end === 'missing') missing = true;
      else if (end === 'expired') bells.set(lane, hangBell(lane));
    }
    await Promise.all(bells.values());
  }

  return {
    ended: fill().catch((error: unknown) => (signal.aborted ? undefined : Promise.reject(error))),
    roomChanged: changed,
  };
}

async function recreate(nats: Nats, signal: AbortSignal): Promise<void> {
  nats.log.warn('the task queue does not exist; it is made again');
  try {
    await ensureStreams(nats);
  } catch (error) {
    nats.log.warn({ err: error }, 'the task queue could not be made');
  }
  await sleep(200, signal);
}
