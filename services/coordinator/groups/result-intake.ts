import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { errorFrom, throwIfCancelled } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { decodeMessage, tailStream } from '#platform/nats/messages.ts';
import type { TailMessage } from '#platform/nats/messages.ts';
import { ensureStreams, streams, subjects } from '#platform/nats/streams.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import { findMessage } from '#platform/nats/find-message.ts';

/** The results of a run, from its first one on, in the order of the stream. Pulled, so nothing piles up here (P6). */
export interface ResultIntake extends AsyncDisposable {
  /** The next result; undefined when none comes within `timeoutMs`. */
  next(timeoutMs: number, signal: AbortSignal): Promise<RolloutResult | undefined>;
  /** Stream sequence of the last result that `next` gave, or skipped. */
  readonly position: number;
  /** Anyone who takes results has every one that is stored by now, and asks for the next. */
  isRead(signal: AbortSignal): Promise<boolean>;
  /** Stream sequence of the newest result of the run; 0 when there is none. */
  newest(signal: AbortSignal): Promise<number>;
}

export function startResultIntake(nats: Nats, runId: string, log: Logger): ResultIntake {
  const subject = subjects.result(runId);
  const stop = new AbortController();
  const messages = followForEver(nats, subject, stop.signal, log);
  let pending: ReturnType<typeof messages.next> | undefined;
  let position = 0;

  async function newest(signal: AbortSignal): Promise<number> {
    return (await findMessage(nats, streams.results, { last_by_subj: subject }, signal))?.sequence ?? 0;
  }

  return {
    get position() {
      return position;
    },
    async next(timeoutMs, signal) {
      for (;;) {
        throwIfCancelled(signal);
        pending ??= messages.next();
        const item = await within(pending, timeoutMs, signal);
        if (item === undefined) return undefined;
        pending = undefined;
        if (item.done === true) return undefined;
        position = item.value.sequence;
        const result = decode(item.value.data, item.value.sequence, log);
        if (result !== undefined) return result;
      }
    },
    // The one at `position` may be on its way to anyone who asked for it, until they ask for the next.
    isRead: async (signal) => (await newest(signal)) <= position && pending !== undefined,
    newest,
    async [Symbol.asyncDispose]() {
      stop.abort();
      // A read that was under way ends with the abort; its outcome is of no interest any more.
      await pending?.catch(() => undefined);
      await messages.return?.(undefined);
    },
  };
}

/** A stream that is deleted under us is made again: what it held and was not read is asked again at its group's deadline. */
async function* followForEver(
  nats: Nats,
  subject: string,
  signal: AbortSignal,
  log: Logger,
): AsyncGenerator<TailMessage, void, void> {
  while (!signal.aborted) {
    try {
      yield* tailStream(nats, streams.results, subject, { signal });
      return;
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.code !== 'not_found') throw error;
      log.error({ err: error }, 'the results are gone; their stream is made again');
      await ensureStreams(nats);
    }
  }
}

/** A record that cannot be read is skipped and logged: its task counts as missing and is asked again at its deadline. */
function decode(data: Uint8Array, sequence: number, log: Logger): RolloutResult | undefined {
  try {
    return decodeMessage(RolloutResultSchema, data);
  } catch (error) {
    log.error({ err: error, sequence }, 'a result could not be read; its rollout will be asked for again');
    return undefined;
  }
}

/** `promise`, or undefined after `timeoutMs` or an abort. The promise goes on and can be awaited again. */
async function within<T>(promise: Promise<T>, timeoutMs: number, signal: AbortSignal): Promise<T | undefined> {
  let end: () => void = () => undefined;
  const timeout = new Promise<undefined>((resolve) => {
    const timer = setTimeout(() => resolve(undefined), Math.max(0, Math.min(timeoutMs, 2 ** 31 - 1)));
    const onAbort = () => resolve(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    end();
  }
}
