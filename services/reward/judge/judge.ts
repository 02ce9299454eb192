import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { TerminalError, cancelledFrom } from '#platform/errors.ts';
import { createChatClient, type ChatReply, type ChatRequest, type EndpointMessage } from '#endpoint/chat-client.ts';
import { refusalOf } from '#endpoint/refusal.ts';
import { withoutKey } from '#platform/http/post-json.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import { withSpan } from '#platform/telemetry/tracing.ts';
import { absent, type Absence, type Question } from './question.ts';
import { createAdmission, type AdmissionTicket } from './admission.ts';
import { createCircuitBreaker, type CircuitState } from './circuit-breaker.ts';
import { createJudgeEvents, type AnswerSource, type JudgeTally } from './judge-events.ts';
import type { JudgeSettings } from '#rewards/judge-settings.ts';
import { createRetryingCaller } from './retrying-caller.ts';
import { createPlainFallback } from './plain-fallback.ts';
import { openReplyStore } from './reply-store.ts';
import { createRetryBudget } from './retry-budget.ts';
import { createSingleFlight } from './single-flight.ts';

export interface Verdict<T> {
  readonly kind: 'verdict';
  readonly value: T;
  /** Id that the endpoint gave to the reply it was read from. */
  readonly replyId: string;
  readonly source: AnswerSource;
}

export type Judged<T> = Verdict<T> | Absence;

export interface JudgeSnapshot extends JudgeTally {
  readonly circuit: CircuitState;
  readonly running: number;
  readonly waiting: number;
  readonly retryBudget: number;
}

export interface Judge {
  readonly name: string;
  readonly settings: JudgeSettings;
  /** Room for so many questions, to be had before they are asked. `TransientError` resource_exhausted when there is none. */
  admit(questions: number): AdmissionTicket;
  /** A failure of the judge is an absence with its reason. Throws `CancelledError` when `signal` aborts, nothing else. */
  ask<T>(question: Question<T>, signal: AbortSignal): Promise<Judged<T>>;
  snapshot(): JudgeSnapshot;
  /** Lets go of the replies on disk. */
  close(): void;
}

export interface JudgeContext {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly apiKey: string | undefined;
  /** Monotonic, in milliseconds. */
  readonly now?: () => number;
  /** In [0, 1). */
  readonly random?: () => number;
}

interface Answer {
  readonly kind: 'answer';
  readonly text: string;
  readonly replyId: string;
}

/** What a question has cost so far. */
interface CallUsage {
  calls: number;
  promptTokens: number;
  completionTokens: number;
}

interface Reply extends Pick<ChatReply, 'id' | 'text'> {
  /** Why nothing of it counts; undefined where it is whole. */
  readonly unusable?: string | undefined;
}

interface Flown {
  readonly answer: Answer | Absence;
  readonly usage: CallUsage;
}

/**
 * A question's way: cache -> disk -> a call for the same question that is under way -> endpoint (slots, circuit, deadline, retries
 * under a budget) -> one repair when the reply cannot be read -> a verdict, or an absence with its reason.
 * Whatever comes out as a number was read from a reply.
 */
export function createJudge(name: string, settings: JudgeSettings, context: JudgeContext): Judge {
  const { log, metrics, now = () => performance.now(), random = Math.random } = context;
  const who = `judge '${name}'`;
  const events = createJudgeEvents({ metrics, log, now }, name, settings);
  const circuit = createCircuitBreaker({
    failureRatio: settings.circuitFailureRatio,
    minCalls: settings.circuitMinCalls,
    openMs: settings.circuitOpenMs,
    now,
    onChange(state) {
      events.circuit(state);
      log.warn({ judge: name, circuit: state }, 'the circuit of a judge changed');
    },
  });
  const budget = createRetryBudget({ ratio: settings.retryRatio, reserve: settings.retryReserve });
  const { maxTokens } = settings;
  const sampling = { maxTokens, ...(settings.temperature !== null && { temperature: settings.temperature }) };
  const refusalWords = {
    ...settings,
    nameKey: `name the variable that holds the key: judges.${name}.api_key_env`,
    leaveTemperature: `set judges.${name}.temperature: null, which leaves it out`,
  };
  const endpoint = createChatClient({ ...settings, who, apiKey: context.apiKey });
  const client = createPlainFallback(
    async (request, signal) => {
      try {
        return await endpoint.complete(request, sampling, signal);
      } catch (thrown) {
        if (!(thrown instanceof TerminalError) || thrown.details['status'] === undefined) throw thrown;
        throw refusalOf(thrown, refusalWords);
      }
    },
    settings.structuredOutput,
    (message) => log.warn({ judge: name, message }, 'the judge refuses schemas; its replies are only parsed'),
  );
  const caller = createRetryingCaller<ChatRequest & { readonly usage: CallUsage }, Reply>({
    async send(request, callSignal) {
      const { usage } = request;
      usage.calls += 1;
      const reply = await client.ask(request, callSignal);
      events.used(reply.promptTokens, reply.completionTokens);
      usage.promptTokens += reply.promptTokens;
      usage.completionTokens += reply.completionTokens;
      return reply.kind === 'none' ? { id: '', text: '', unusable: reply.problem } : wholeReply(reply, maxTokens);
    },
    resend: client.refused,
    circuit,
    budget,
    events,
    settings,
    now,
    random,
  });
  const admission = createAdmission(who, settings.concurrency + settings.queue);
  const flights = createSingleFlight<Flown>();
  const cache =
    settings.cacheMebibytes === 0
      ? undefined
      : new LRUCache<string, Answer>({
          maxSize: settings.cacheMebibytes * 2 ** 20,
          // Two bytes a character, and what an entry costs besides.
          sizeCalculation: ({ text, replyId }, key) => 2 * (text.length + replyId.length + key.length) + 300,
        });
  const store =
    settings.cacheDirectory === undefined
      ? undefined
      : openReplyStore({
          directory: settings.cacheDirectory,
          mebibytes: settings.cacheDiskMebibytes,
          who,
          events,
          log,
        });

  function keyOf(question: Question<unknown>): string {
    const { baseUrl, model, temperature, structuredOutput, extraBody } = settings;
    return createHash('sha256')
      .update(
        JSON.stringify([
          [baseUrl, model, temperature, maxTokens, structuredOutput, extraBody ?? null],
          [question.template, question.messages, question.schema ?? null],
        ]),
      )
      .digest('base64url');
  }

  /** One question to the endpoint: the reply, and at most one repair. */
  async function fly(question: Question<unknown>, usage: CallUsage, signal: AbortSignal): Promise<Answer | Absence> {
    budget.deposit();
    const endsMs = now() + settings.itemTimeoutMs;
    using deadline = deadlineSignal(signal, settings.itemTimeoutMs, 'the question');
    let { messages }: { messages: readonly EndpointMessage[] } = question;
    try {
      for (let repairs = 0; ; repairs += 1) {
        const result = await caller.call({ messages, schema: question.schema, usage }, endsMs, deadline.signal);
        if (result.kind === 'absent') return result;
        const { text, id, unusable } = result.reply;
        if (unusable === undefined && question.parse(text) !== undefined) {
          return { kind: 'answer', text, replyId: id };
        }
        const unread =
          unusable ?? `the reply ${JSON.stringify(withoutKey(text, context.apiKey).slice(0, 120))} cannot be read`;
        if (repairs === 1) return absent('unparsable', `${unread}, nor could the one before`);
        if (!budget.withdraw()) {
          events.retryDenied();
          return absent('unparsable', `${unread}, and the budget of retries is spent`);
        }
        events.repaired();
        messages = [
          ...question.messages,
          // An endless reply is not sent back whole.
          { role: 'assistant', content: text.slice(0, 2_000) },
          { role: 'user', content: `Your reply could not be read. ${question.form} Reply with nothing else.` },
        ];
      }
    } catch (thrown) {
      if (!signal.aborted && deadline.signal.aborted) {
        return absent('timeout', `no answer within ${settings.itemTimeoutMs} ms`);
      }
      throw thrown;
    }
  }

  function keep(key: string, answer: Answer): void {
    cache?.set(key, answer);
    events.cached(cache?.calculatedSize ?? 0);
  }

  /** What is kept in memory or on disk. A wording that reads differently by now is asked for again. */
  function recall(question: Question<unknown>, key: string): Answer | undefined {
    const kept = cache?.get(key);
    if (kept !== undefined) return kept;
    const stored = store?.get(key);
    if (stored === undefined) return undefined;
    if (question.parse(stored.text) === undefined) {
      events.stored('unreadable');
      return undefined;
    }
    const answer: Answer = { kind: 'answer', ...stored };
    keep(key, answer);
    return answer;
  }

  async function answerTo(
    question: Question<unknown>,
    signal: AbortSignal,
  ): Promise<Flown & { readonly source: AnswerSource }> {
    if (signal.aborted) throw cancelledFrom(signal.reason);
    const key = keyOf(question);
    const nothing: CallUsage = { calls: 0, promptTokens: 0, completionTokens: 0 };
    const kept = recall(question, key);
    if (kept !== undefined) return { answer: kept, usage: nothing, source: 'cache' };
    const { result, shared } = await flights.run(key, signal, async (flightSignal) => {
      const usage = { ...nothing };
      const answer = await fly(question, usage, flightSignal);
      if (answer.kind === 'answer') {
        keep(key, answer);
        store?.set(key, answer);
      }
      return { answer, usage };
    });
    // What a shared call costs is reported by the caller that made it.
    return shared ? { ...result, usage: nothing, source: 'shared' } : { ...result, source: 'asked' };
  }

  /** One span per question; never with a text. */
  async function tracedAnswerTo(question: Question<unknown>, signal: AbortSignal): ReturnType<typeof answerTo> {
    const about = {
      'gradus.judge': name,
      'gradus.template': question.template,
      'gen_ai.request.model': settings.model,
    };
    return await withSpan('judge.ask', about, async (span) => {
      const outcome = await answerTo(question, signal);
      const { answer, usage, source } = outcome;
      span.setAttributes({
        'gradus.source': source,
        'gradus.calls': usage.calls,
        'gen_ai.usage.input_tokens': usage.promptTokens,
        'gen_ai.usage.output_tokens': usage.completionTokens,
        ...(answer.kind === 'absent' && { 'gradus.absent': answer.reason }),
      });
      return outcome;
    });
  }

  return {
    name,
    settings,
    admit: (questions) => admission.admit(questions),
    async ask(question, signal) {
      const { answer, source } = await tracedAnswerTo(question, signal);
      if (answer.kind === 'absent') {
        events.absent(answer.reason, answer.detail);
        return answer;
      }
      const value = question.parse(answer.text);
      // Anyone who shares a key shares the wording, and with it the parser.
      if (value === undefined) throw new TypeError(`${question.template} cannot read what it has read before`);
      events.answered(source);
      return { kind: 'verdict', value, replyId: answer.replyId, source };
    },
    snapshot: () => ({
      ...events.tally,
      circuit: circuit.state,
      running: caller.running,
      waiting: caller.waiting,
      retryBudget: budget.available,
    }),
    close: () => store?.close(),
  };
}

/** A verdict of a reply that was cut is what its model had not yet dropped. */
function wholeReply({ id, text, cut, filtered }: ChatReply, maxTokens: number): Reply {
  if (cut) {
    const unusable = `the reply was cut at ${maxTokens} tokens; raise max_tokens, or turn thinking off with extra_body`;
    return { id, text, unusable };
  }
  return { id, text, ...(filtered && { unusable: 'a filter of the endpoint took some of the reply' }) };
}
