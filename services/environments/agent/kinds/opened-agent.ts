import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { untilCancelled } from '#platform/async/sleep.ts';
import { TransientError, cancelledFrom } from '#platform/errors.ts';
import { refusal } from '../face/refusal.ts';
import type { AgentOptions } from '../options.ts';
import { endOfReport } from '../reports/agent-result.ts';
import type { AgentKind } from './agent-kind.ts';

/** An episode that waits for somebody to open its session. */
interface Offer {
  readonly answer: object;
  readonly taken: PromiseWithResolvers<void>;
}

const request = z.strictObject({}).optional();

/** Somebody else's agent: it opens a session with `POST /sessions` and the key, and gets that of an episode which waits. */
export function createOpenedAgent({ wait_ms: waitMs }: NonNullable<AgentOptions['open']>, key: string): AgentKind {
  const waiting: Offer[] = [];
  const digest = digestOf(key);

  return {
    addRoutes(app) {
      app.post('/sessions', ({ headers, body }) => {
        if (!timingSafeEqual(digestOf(headers.authorization?.replace(/^Bearer /i, '') ?? ''), digest)) {
          const message =
            'Authorization: give the key that opens sessions, as Bearer KEY: option open.key_env names its variable';
          throw refusal('invalid_api_key', message, undefined, 'permission_denied');
        }
        if (!request.safeParse(body ?? undefined).success)
          throw refusal('invalid_value', 'body: give none, or {}; the row is that of the episode that waits');
        const offer = waiting.shift();
        if (offer === undefined) {
          const retryAfterMs = 1_000;
          throw new TransientError('unavailable', 'no episode waits for a session now; ask again', { retryAfterMs });
        }
        offer.taken.resolve();
        return offer.answer;
      });
    },
    async start(row, { signal }, { session, url, baseUrl, key: sessionKey, reports }) {
      const ended = reports.awaitResult().then(endOfReport);
      const offer: Offer = {
        answer: {
          session_id: session.id,
          session_url: url,
          base_url: baseUrl,
          api_key: sessionKey,
          model: 'policy',
          row: { id: row.id, data: row.data, tags: row.tags },
        },
        taken: Promise.withResolvers(),
      };
      waiting.push(offer);
      using deadline = deadlineSignal(signal, waitMs);
      try {
        await untilCancelled(offer.taken.promise, deadline.signal);
      } catch (thrown) {
        if (signal.aborted) throw cancelledFrom(signal.reason);
        const message = `nobody opened a session within open.wait_ms (${waitMs} ms); open one with POST /sessions at the gateway`;
        throw new TransientError('unavailable', message, { cause: thrown });
      } finally {
        const at = waiting.indexOf(offer);
        if (at >= 0) waiting.splice(at, 1);
      }
      return { ended, endsInSilence: true, stop: async () => {} };
    },
  };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
