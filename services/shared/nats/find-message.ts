import type { LastForMsgRequest, NextMsgRequest, SeqMsgRequest } from '@nats-io/jetstream';

import { retry } from '../async/retry.ts';
import type { Nats } from './connect.ts';
import { onLink } from './link.ts';
import { errorFromNats } from './nats-errors.ts';

export interface FoundMessage {
  readonly sequence: number;
  readonly data: Uint8Array;
}

/**
 * The message at a sequence, the newest of a subject, or the next one from a sequence on; waits while NATS is away. Asked of
 * the stream's leader: in a cluster a follower may answer a direct read with what was the newest a moment ago.
 */
export async function findMessage(
  nats: Nats,
  stream: string,
  query: SeqMsgRequest | LastForMsgRequest | NextMsgRequest,
  signal: AbortSignal,
): Promise<FoundMessage | undefined> {
  // The library's type lacks `next_by_subj` here; servers know it for this request since 2.9, as for direct ones.
  const asked = 'last_by_subj' in query ? query : { ...query, seq: query.seq ?? 1 };
  return retry(
    async () => {
      await nats.link.whenUp(signal);
      try {
        const message = await onLink(nats.link, signal, () => nats.jsm.streams.getMessage(stream, asked));
        return message === null ? undefined : { sequence: message.seq, data: message.data };
      } catch (thrown) {
        throw errorFromNats(thrown, `reading ${stream}`);
      }
    },
    { signal, attempts: 100, baseMs: 100, maxMs: 2000 },
  );
}
