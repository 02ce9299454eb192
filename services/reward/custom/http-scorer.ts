import { z } from 'zod';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { createSemaphore } from '#platform/async/semaphore.ts';
import type { HttpScorerSettings } from '#rewards/custom-scorer-settings.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import { readKeyVariable } from '#endpoint/api-key.ts';
import { createCircuitBreaker } from '../judge/circuit-breaker.ts';
import { createRetryingCaller } from '../judge/retrying-caller.ts';
import { postJson, withoutKey } from '#platform/http/post-json.ts';
import { createRetryBudget } from '../judge/retry-budget.ts';
import { customAbsent, type CustomAbsence } from './custom-absence.ts';
import type { RawScore, ScorerBackend } from './custom-scorer.ts';
import { episodeJson } from './episode-json.ts';

const retryBaseMs = 100;
const retryMaxMs = 2000;
const reply = z.looseObject({ score: z.union([z.number(), z.boolean().transform(Number)]) });

/** A rollout as JSON to a server, {"score": number} back. Its key is read now, so that a missing one is known at the start. */
export function createHttpScorer(
  name: string,
  settings: HttpScorerSettings,
  { log, environment }: { readonly log: Logger; readonly environment: NodeJS.ProcessEnv },
): ScorerBackend {
  const { url, keyEnv, concurrency, timeoutMs, attempts } = settings;
  const who = `scorer '${name}'`;
  const apiKey = keyEnv === undefined ? undefined : readKeyVariable(`scorers.${name}.keyEnv`, keyEnv, environment);
  const budget = createRetryBudget({ ratio: 0.25, reserve: 100 });
  const caller = createRetryingCaller<string, string>({
    send: async (body, signal) => await postJson({ who, url, apiKey }, body, signal),
    circuit: createCircuitBreaker({
      failureRatio: 0.6,
      minCalls: 20,
      openMs: 5000,
      now: () => performance.now(),
      onChange: (state) => log.warn({ scorer: name, circuit: state }, 'the circuit of a scorer changed'),
    }),
    budget,
    events: { called() {}, retried() {}, retryDenied() {}, load() {} },
    settings: { concurrency, requestTimeoutMs: timeoutMs, attempts, retryBaseMs, retryMaxMs },
    now: () => performance.now(),
    random: Math.random,
  });
  // A rollout's time begins when it has a slot; with its pauses it keeps the slot.
  const slots = createSemaphore(concurrency);

  async function ask(body: string, signal: AbortSignal): Promise<RawScore | CustomAbsence> {
    budget.deposit();
    const endsMs = performance.now() + timeoutMs;
    using deadline = deadlineSignal(signal, timeoutMs, 'the rollout');
    try {
      const result = await caller.call(body, endsMs, deadline.signal);
      return result.kind === 'absent' ? result : parseReply(result.reply, apiKey);
    } catch (thrown) {
      if (signal.aborted || !deadline.signal.aborted) throw thrown;
      return customAbsent('timeout', `no score within ${timeoutMs} ms`);
    }
  }

  return {
    concurrency,
    get running() {
      return concurrency - slots.available;
    },
    get waiting() {
      return slots.waiting;
    },
    // The server judges its settings itself: a 4xx is the absence `refused`.
    settingsProblem: async () => ({ problem: undefined }),
    async score(item, given, signal) {
      // The body is made in the slot: thousands may wait.
      const send = async () =>
        await ask(JSON.stringify({ ...episodeJson(item), scorer: name, settings: given }), signal);
      return await slots.run(send, signal);
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

function parseReply(text: string, apiKey: string | undefined): RawScore | CustomAbsence {
  let parsed: z.ZodSafeParseResult<z.output<typeof reply>> | undefined;
  try {
    parsed = reply.safeParse(JSON.parse(text));
  } catch {
    // Not JSON.
  }
  return parsed?.success === true
    ? { kind: 'raw', value: parsed.data.score }
    : customAbsent(
        'unparsable',
        `it answered ${JSON.stringify(withoutKey(text, apiKey).slice(0, 120))} in place of {"score": NUMBER}`,
      );
}
