/**
 * Keeps a worker's slots filled from the two parts of the queue, one for each purpose, evaluation first.
 *
 *     idle --(there is room)--> asked --(it had less than asked for)--> polled --(a task came, or the time is over)--> idle
 *                                 '--(no answer: silent)-----------------^
 *
 * A part is asked for what it has now, for all the room there is. One that had less is polled: a pull request for one task, which
 * the server answers as soon as there is one. A part that is polled is empty, so training is asked only when no evaluation waits.
 *
 * One part waits for the answer of the other for `headStartMs` at most, and not at all while that one's last request had none: what
 * is silent costs the others nothing. It is polled like an empty one, and so keeps what the server does send.
 *
 * More tasks may come than there was room for: one when both polls end for the last slot, and once that many again when a part
 * answers late.
 */
import type { Msg } from '@nats-io/transport-node';

import { sleep } from '../async/sleep.ts';
import { errorFrom } from '../errors.ts';
import type { Nats } from './connect.ts';
import type { TaskPurpose } from './streams.ts';
import { pull } from './pull.ts';
import type { PullEnd } from './pull.ts';
import { ensureStreams, streams, workerConsumers } from './streams.ts';

export interface PullOptions {
  readonly signal: AbortSignal;
  /** Tasks that may be taken now. */
  readonly room: () => number;
  readonly receive: (message: Msg, purpose: TaskPurpose) => void;
}

export interface PurposePuller {
  /** Resolves after the signal; rejects when the queue cannot be read. */
  readonly ended: Promise<void>;
  roomChanged(): void;
}

interface PurposeState {
  readonly purpose: TaskPurpose;
  phase: 'idle' | 'asked' | 'polled';
  /** Nobody waits for the answer of the present request. */
  isLate: boolean;
  /** The last request had no answer. */
  isSilent: boolean;
  /** Ends with the present request. */
  request: Promise<void>;
}

/** Longer than a busy server takes to answer, shorter than a step. */
const headStartMs = 1_000;

export function pullByPurpose(nats: Nats, options: PullOptions): PurposePuller {
  const { signal } = options;
  const purposes = (['eval', 'train'] as const).map((purpose): PurposeState => ({
    purpose,
    phase: 'idle',
    isLate: false,
    isSilent: false,
    request: Promise.resolve(),
  }));
  let missing = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;

  function changed(): void {
    wake?.();
    wake = undefined;
  }
  signal.addEventListener('abort', changed, { once: true });

  function request({ purpose }: PurposeState, batch: number, wait: boolean): Promise<PullEnd> {
    const onMessage = (message: Msg): void => options.receive(message, purpose);
    return pull(nats, { stream: streams.tasks, consumer: workerConsumers[purpose], batch, wait, signal, onMessage });
  }

  async function ask(state: PurposeState, batch: number): Promise<void> {
    state.phase = 'asked';
    state.isLate = state.isSilent;
    const headStart = setTimeout(() => {
      state.isLate = true;
      changed();
    }, headStartMs);
    const end = await request(state, batch, false);
    clearTimeout(headStart);
    if (end === 'silent' && !state.isSilent)
      nats.log.warn(
        { purpose: state.purpose },
        'this part of the task queue does not answer; tasks of the other are taken',
      );
    state.isSilent = end === 'silent';
    if (end === 'missing') missing = true;
    if (end === 'expired' || end === 'silent') await poll(state);
    state.phase = 'idle';
    changed();
  }

  async function poll(state: PurposeState): Promise<void> {
    state.phase = 'polled';
    changed();
    if ((await request(state, 1, true)) === 'missing') missing = true;
  }

  function fail(thrown: unknown): void {
    failure = errorFrom(thrown);
    changed();
  }

  function nextPurpose(): PurposeState | undefined {
    if (purposes.some(({ phase, isLate }) => phase === 'asked' && !isLate)) return undefined;
    return purposes.find(({ phase }) => phase === 'idle');
  }

  async function fill(): Promise<void> {
    while (!signal.aborted) {
      if (missing) {
        missing = false;
        await recreate(nats, signal);
      }
      if (failure !== undefined) throw failure;
      const next = nextPurpose();
      if (next === undefined || options.room() <= 0) await new Promise<void>((resolve) => (wake = resolve));
      else if (nats.link.signal.aborted) await nats.link.whenUp(signal);
      else next.request = ask(next, options.room()).catch(fail);
    }
    await Promise.all(purposes.map((state) => state.request));
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
