import { createSemaphore } from '#platform/async/semaphore.ts';
import { sleep } from '#platform/async/sleep.ts';
import { TransientError } from '#platform/errors.ts';
import type { ScriptedJudgeEvents } from '../events.ts';
import type { JudgeScript } from '../script/judge-script.ts';
import { chatCompletion } from './chat-completion.ts';
import { invalidField, parseChatRequest } from './chat-request.ts';

export interface CompletionsOptions {
  readonly script: JudgeScript;
  readonly maxRunning: number;
  readonly maxWaiting: number;
  readonly events: ScriptedJudgeEvents;
}

export interface Completions {
  /**
   * The body of the reply. `TerminalError`: not a request of the API, or no question of the reward service.
   * `TransientError` resource_exhausted: too many wait. `CancelledError`: `signal` aborted.
   */
  complete(body: unknown, signal: AbortSignal): Promise<object>;
}

const askAgainMs = 1000;

/** A script behind the limits of an endpoint: so many questions at once, so many that wait, and its time for each. */
export function createCompletions({ script, maxRunning, maxWaiting, events }: CompletionsOptions): Completions {
  const places = createSemaphore(maxRunning);
  const loadChanged = (): void => events.loadChanged(maxRunning - places.available, places.waiting);
  return {
    async complete(body, signal) {
      const request = parseChatRequest(body);
      const reply = script(request.messages);
      if (reply === undefined) {
        throw invalidField(
          'messages',
          'messages: no question of the reward service: it shows QUESTION, REFERENCE and answers as <<<NAME MARK … MARK>>>',
        );
      }
      if (places.available === 0 && places.waiting >= maxWaiting) {
        throw new TransientError('resource_exhausted', `${places.waiting} questions wait already`, {
          retryAfterMs: askAgainMs,
        });
      }
      const release = await places.acquire(signal);
      loadChanged();
      try {
        if (reply.latencyMs > 0) await sleep(reply.latencyMs, signal);
        events.replied(reply.asks);
        return chatCompletion(request, reply.id, reply.text, Date.now());
      } finally {
        release();
        loadChanged();
      }
    },
  };
}
