import type { LastForMsgRequest, NextMsgRequest, SeqMsgRequest } from '@nats-io/jetstream';
import type { MsgHdrs } from '@nats-io/transport-node';

import { retry } from '../async/retry.ts';
import type { Nats } from './connect.ts';
import { onLink } from './link.ts';
import { errorFromNats } from './nats-errors.ts';

export interface FoundMessage {
  readonly sequence: number;
  /** W3C trace context, where the publisher gave one. */
  readonly trace: Readonly<Record<string, string>>;
  readonly data: Uint8Array;
}

/**
 * The message at a sequence, the newest of a subject, or the next one from a sequence on; waits while NATS is unavailable. Asked of
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
        if (message === null) return undefined;
        const { seq, data, header } = message;
        return { sequence: seq, data, trace: traceOf(header) };
      } catch (thrown) {
        throw errorFromNats(thrown, `reading ${stream}`);
      }
    },
    { signal, attempts: 100, baseMs: 100, maxMs: 2000 },
  );
}

function traceOf(headers: MsgHdrs | undefined): Record<string, string> {
  const found = ['traceparent', 'tracestate'].map((key) => [key, headers?.get(key) ?? ''] as const);
  return Object.fromEntries(found.filter(([, value]) => value !== ''));
}
