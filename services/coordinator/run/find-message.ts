import type { LastForMsgRequest, NextMsgRequest } from '@nats-io/jetstream';
import { retry } from '#shared/async/retry.ts';
import type { Nats } from '#shared/nats/connect.ts';
import { errorFromNats } from '#shared/nats/nats-errors.ts';

export interface FoundMessage {
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** The newest message of a subject, or the next one from a sequence on; waits while NATS is away. */
export async function findMessage(
  nats: Nats,
  stream: string,
  query: LastForMsgRequest | NextMsgRequest,
  signal: AbortSignal,
): Promise<FoundMessage | undefined> {
  return retry(
    async () => {
      await nats.link.whenUp(signal);
      try {
        const message = await nats.jsm.direct.getMessage(stream, query);
        return message === null ? undefined : { sequence: message.seq, data: message.data };
      } catch (thrown) {
        throw errorFromNats(thrown, `reading ${stream}`);
      }
    },
    { signal, attempts: 100, baseMs: 100, maxMs: 2000 },
  );
}
