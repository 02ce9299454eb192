import type { Logger } from '#platform/telemetry/logging.ts';
import { durationBuckets, type Metrics } from '#platform/telemetry/metrics.ts';
import { absenceReasons, type AbsenceReason } from '#rewards/absence-reasons.ts';
import type { CircuitState } from './circuit-breaker.ts';

/** Where an answer came from: a call for this question, an earlier reply, or somebody else's call under way. */
export type AnswerSource = 'asked' | 'cache' | 'shared';
const storedOutcomes = ['read', 'written', 'evicted', 'unreadable', 'failed'] as const;
/** What became of a reply on disk; `failed`: it could not be written or read just then, and is asked for again. */
export type StoredOutcome = (typeof storedOutcomes)[number];
export type CallOutcome = 'answered' | AbsenceReason | 'cancelled';

/** Since the start, for Describe. */
export interface JudgeTally {
  calls: number;
  retries: number;
  cacheHits: number;
  absences: number;
  promptTokens: number;
  completionTokens: number;
  cost: number;
}

/** What happens to one judge, counted in one place. */
export interface JudgeEvents {
  readonly tally: Readonly<JudgeTally>;
  called(outcome: CallOutcome, elapsedMs: number): void;
  used(promptTokens: number, completionTokens: number): void;
  retried(): void;
  /** One more call, to ask again for a reply that could not be read. */
  repaired(): void;
  /** A retry or repair that the budget did not grant. */
  retryDenied(): void;
  answered(source: AnswerSource): void;
  /** `detail`: for people, such as the endpoint's own sentence. Logged once a minute for each reason. */
  absent(reason: AbsenceReason, detail: string): void;
  circuit(state: CircuitState): void;
  load(running: number, waiting: number): void;
  cached(sizeBytes: number): void;
  stored(outcome: StoredOutcome, count?: number): void;
  storedBytes(sizeBytes: number): void;
}

export interface Prices {
  /** Of a million tokens. */
  readonly promptPrice: number;
  readonly completionPrice: number;
}

export interface JudgeEventsContext {
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
}

/** Of one reason: a judge that fails, fails thousands of times. */
const logEveryMs = 60_000;

const circuitLevels: Readonly<Record<CircuitState, number>> = { closed: 0, half_open: 1, open: 2 };

/** `judge` is a name of the config, so the label's values are a closed set. */
export function createJudgeEvents(
  { metrics, log, now }: JudgeEventsContext,
  judge: string,
  prices: Prices,
): JudgeEvents {
  /** When each reason was logged last, and how many absences there were since. */
  const logged = new Map<AbsenceReason, { atMs: number; unlogged: number }>();
  const questions = metrics.counter('gradus_judge_questions_total', 'Questions to a judge by what became of them.', [
    'judge',
    'outcome',
  ]);
  const calls = metrics.counter('gradus_judge_calls_total', 'Calls to a judge by how they ended.', [
    'judge',
    'outcome',
  ]);
  const seconds = metrics.histogram('gradus_judge_call_seconds', 'Time of one call to a judge.', durationBuckets, [
    'judge',
  ]);
  const retries = metrics.counter(
    'gradus_judge_retries_total',
    'Further calls for a question: retry, repair, denied.',
    ['judge', 'kind'],
  );
  const tokens = metrics.counter('gradus_judge_tokens_total', 'Tokens that a judge read (prompt) and wrote.', [
    'judge',
    'kind',
  ]);
  const cost = metrics.counter('gradus_judge_cost_total', 'Cost of a judge, in the currency of its prices.', ['judge']);
  const circuit = metrics.gauge('gradus_judge_circuit_level', 'Circuit of a judge: 0 closed, 1 half open, 2 open.', [
    'judge',
  ]);
  const running = metrics.gauge('gradus_judge_running_calls', 'Calls to a judge under way.', ['judge']);
  const waiting = metrics.gauge('gradus_judge_waiting_questions', 'Questions that wait for a call.', ['judge']);
  const cacheBytes = metrics.gauge('gradus_judge_cache_bytes', 'Memory of the replies that are kept.', ['judge']);
  const stored = metrics.counter(
    'gradus_judge_stored_replies_total',
    'Replies of a judge on disk: read, written, evicted, unreadable, failed.',
    ['judge', 'outcome'],
  );
  const storedBytes = metrics.gauge('gradus_judge_stored_bytes', 'Size of the file of replies on disk.', ['judge']);

  const tally: JudgeTally = {
    calls: 0,
    retries: 0,
    cacheHits: 0,
    absences: 0,
    promptTokens: 0,
    completionTokens: 0,
    cost: 0,
  };
  for (const outcome of ['asked', 'cache', 'shared', ...absenceReasons]) questions.inc({ judge, outcome }, 0);
  for (const kind of ['retry', 'repair', 'denied']) retries.inc({ judge, kind }, 0);
  for (const outcome of storedOutcomes) stored.inc({ judge, outcome }, 0);
  circuit.set({ judge }, 0);

  return {
    tally,
    called(outcome, elapsedMs) {
      tally.calls += 1;
      calls.inc({ judge, outcome });
      seconds.observe({ judge }, elapsedMs / 1000);
    },
    used(promptTokens, completionTokens) {
      tally.promptTokens += promptTokens;
      tally.completionTokens += completionTokens;
      tokens.inc({ judge, kind: 'prompt' }, promptTokens);
      tokens.inc({ judge, kind: 'completion' }, completionTokens);
      const price = (promptTokens * prices.promptPrice + completionTokens * prices.completionPrice) / 1e6;
      tally.cost += price;
      cost.inc({ judge }, price);
    },
    retried() {
      tally.retries += 1;
      retries.inc({ judge, kind: 'retry' });
    },
    repaired() {
      tally.retries += 1;
      retries.inc({ judge, kind: 'repair' });
    },
    retryDenied: () => retries.inc({ judge, kind: 'denied' }),
    answered(source) {
      if (source !== 'asked') tally.cacheHits += 1;
      questions.inc({ judge, outcome: source });
    },
    absent(reason, detail) {
      tally.absences += 1;
      questions.inc({ judge, outcome: reason });
      const last = logged.get(reason);
      if (last !== undefined && now() - last.atMs < logEveryMs) {
        last.unlogged += 1;
        return;
      }
      log.warn({ judge, reason, detail, unlogged: last?.unlogged ?? 0 }, 'a judge gave no verdict');
      logged.set(reason, { atMs: now(), unlogged: 0 });
    },
    circuit: (state) => circuit.set({ judge }, circuitLevels[state]),
    load(runningCalls, waitingQuestions) {
      running.set({ judge }, runningCalls);
      waiting.set({ judge }, waitingQuestions);
    },
    cached: (sizeBytes) => cacheBytes.set({ judge }, sizeBytes),
    stored: (outcome, count = 1) => stored.inc({ judge, outcome }, count),
    storedBytes: (sizeBytes) => storedBytes.set({ judge }, sizeBytes),
  };
}
