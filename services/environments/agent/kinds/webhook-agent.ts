import { z } from 'zod';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { retry } from '#platform/async/retry.ts';
import { sleep } from '#platform/async/sleep.ts';
import { CancelledError, TerminalError, TransientError } from '#platform/errors.ts';
import { callHttp, type HttpCall } from '#platform/http/post-json.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import { shortText } from '#platform/text/show-value.ts';
import type { EpisodeRow, StartIo } from '../../kit/environment.ts';
import { faultInWords } from '#user-code/user-code-error.ts';
import type { AgentOptions } from '../options.ts';
import { endOfReport, parseResult, reportedResult, type ReportedResult } from '../reports/agent-result.ts';
import type { AgentKind, AgentSession, RunningAgent } from './agent-kind.ts';

type WebhookOptions = NonNullable<AgentOptions['webhook']>;

export interface WebhookHost {
  /** Sent as a bearer token, and shown in no message. */
  readonly secret: string | undefined;
  readonly startTimeoutMs: number;
  readonly log: Logger;
}

/** Longest time to cancel an agent that nobody waits for any more. */
const cancelMs = 5_000;
/** Longest wait for an answer; another call may get one. */
const callMs = 30_000;
const backoff = { baseMs: 200, maxMs: 5_000 };

/** A server that gets each episode: it runs the agent, which asks the session. */
export function createWebhookAgent(options: WebhookOptions, { secret, startTimeoutMs, log }: WebhookHost): AgentKind {
  async function call(who: string, url: string, what: HttpCall, signal: AbortSignal): Promise<string> {
    using deadline = deadlineSignal(signal, callMs, who);
    try {
      return await callHttp({ who, url, apiKey: secret }, what, deadline.signal);
    } catch (thrown) {
      if (!(thrown instanceof CancelledError) || signal.aborted) throw thrown;
      throw new TransientError('unavailable', thrown.message, { cause: thrown });
    }
  }

  /** A server that is busy or down is asked again until the time is over; what it refuses, and what it answers, is its author's. */
  async function ask(url: string, what: HttpCall, signal: AbortSignal, withinMs: number): Promise<unknown> {
    const who = `the agent's webhook (${what.method} ${url})`;
    let last = `${who} does not answer`;
    using deadline = deadlineSignal(signal, withinMs);
    try {
      const text = await retry(async () => await call(who, url, what, deadline.signal), {
        ...backoff,
        signal: deadline.signal,
        onRetry: ({ message }) => void (last = message),
      });
      return jsonOf(text, who);
    } catch (thrown) {
      if (thrown instanceof TerminalError) throw faultInWords(thrown.message);
      if (!deadline.signal.aborted || signal.aborted) throw thrown;
      throw new TransientError('unavailable', `${last}; tried for ${withinMs} ms`, { cause: thrown });
    }
  }

  return {
    async start(row, io, at) {
      const urlOf = (template: string): string =>
        template
          .replaceAll('{session_id}', encodeURIComponent(at.session.id))
          .replaceAll('{rollout_id}', encodeURIComponent(io.rollout?.id ?? ''));
      const over = new AbortController();
      let ended = false;

      async function cancel(): Promise<void> {
        over.abort(new CancelledError('cancelled', 'the episode is over'));
        if (ended || options.cancel_url === undefined) return;
        try {
          await ask(urlOf(options.cancel_url), { method: 'DELETE' }, new AbortController().signal, cancelMs);
        } catch (thrown) {
          log.warn({ session: at.session.id, err: thrown }, 'an agent that nobody waits for could not be cancelled');
        }
      }

      const init: HttpCall = { method: 'POST', body: JSON.stringify(initOf(row, io, at)) };
      try {
        await ask(options.url, init, io.signal, startTimeoutMs);
      } catch (thrown) {
        await cancel();
        throw thrown;
      }
      const end =
        options.status_url === undefined ? at.reports.awaitResult() : poll(urlOf(options.status_url), over.signal);
      const running = end.then((result) => ((ended = true), endOfReport(result)));
      // Nobody may ask how it ended.
      running.catch(() => {});
      return { ended: running, stop: cancel } satisfies RunningAgent;
    },
  };

  async function poll(url: string, signal: AbortSignal): Promise<ReportedResult> {
    for (;;) {
      await sleep(options.poll_interval_ms, signal);
      const where = `the answer of the agent's webhook (GET ${url})`;
      // The episode bounds how long an agent may neither ask nor end.
      const answer = await ask(url, { method: 'GET' }, signal, Infinity);
      const { status, ...result } = parseResult(statusAnswer, answer, where);
      if (status === 'ended') return result;
    }
  }
}

const statusAnswer = reportedResult.extend({ status: z.enum(['running', 'ended']) });

function initOf(row: EpisodeRow, { seed, rollout }: StartIo, { session, url, baseUrl, key }: AgentSession): object {
  return {
    rollout_id: rollout?.id,
    attempt: rollout?.attempt,
    session_id: session.id,
    session_url: url,
    base_url: baseUrl,
    api_key: key,
    model: 'policy',
    row: { id: row.id, data: row.data, tags: row.tags },
    // Greater than what JSON numbers are read as.
    seed: String(seed),
    deadline: rollout && new Date(Date.now() + rollout.timeoutMs).toISOString(),
  };
}

/** An empty answer says as much as `{}`. */
function jsonOf(text: string, who: string): unknown {
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Told below.
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw faultInWords(`${who} answered with what is no JSON object: '${shortText(text.trim(), 200)}'; let it answer {}`);
}
