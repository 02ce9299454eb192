/** Messages on NATS. What others need is here: publish, decode, read one by its sequence, pull tasks, tail a stream. */
import { fromBinary } from '@bufbuild/protobuf';
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';

import { deadlineSignal } from '../async/deadline-signal.ts';
import { retry } from '../async/retry.ts';
import { TerminalError, TransientError } from '../errors.ts';
import type { Nats } from './connect.ts';
import { onLink } from './link.ts';
import { errorFromNats } from './nats-errors.ts';

export { publishMessage } from './publish.ts';
export type { PublishOptions, Published } from './publish.ts';
export { pullTasks } from './tasks.ts';
export type { PullTasksOptions } from './tasks.ts';
export type { TaskMessage } from './task-message.ts';
export { tailStream } from './tail.ts';
export type { TailMessage, TailOptions } from './tail.ts';

/** Parses what came from a stream; damage is `data_loss`. */
export function decodeMessage<D extends DescMessage>(schema: D, data: Uint8Array): MessageShape<D> {
  try {
    return fromBinary(schema, data);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TerminalError('data_loss', `${data.length} bytes are no ${schema.typeName}: ${reason}`, { cause });
  }
}

export interface GetOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to try while NATS is unavailable; with `Infinity` until the signal. Default 30 s. */
  readonly timeoutMs?: number | undefined;
  /** A message whose id begins otherwise is another one, and the wanted one does not exist. */
  readonly messageIdPrefix?: string | undefined;
}

/** The payload at a sequence of a stream; `not_found` when it was never there or was dropped by a limit. */
export async function getMessage(
  nats: Nats,
  stream: string,
  sequence: number,
  options: GetOptions = {},
): Promise<Uint8Array> {
  const what = `message ${sequence} of ${stream}`;
  using deadline = deadlineSignal(options.signal, options.timeoutMs ?? 30_000, `reading ${what}`);
  return await retry(
    async () => {
      await nats.link.whenUp(deadline.signal);
      try {
        const query = { seq: sequence };
        const direct = await onLink(nats.link, deadline.signal, () => nats.jsm.direct.getMessage(stream, query)).catch(
          (thrown: unknown) => {
            const error = errorFromNats(thrown, `reading ${what}`);
            if (error instanceof TransientError) return null;
            throw error;
          },
        );
        // In a cluster any follower answers; one that lags does not have yet what the leader has confirmed. Of a stream that
        // does not exist nobody answers, and only the leader's answer says so.
        const message =
          direct ?? (await onLink(nats.link, deadline.signal, () => nats.jsm.streams.getMessage(stream, query)));
        const id = message?.header.get('Nats-Msg-Id') ?? '';
        if (message === null || !id.startsWith(options.messageIdPrefix ?? ''))
          throw new TerminalError('not_found', `${what} does not exist`);
        return message.data;
      } catch (thrown) {
        throw errorFromNats(thrown, `reading ${what}`);
      }
    },
    { signal: deadline.signal, baseMs: 50, maxMs: 1_000 },
  );
}
