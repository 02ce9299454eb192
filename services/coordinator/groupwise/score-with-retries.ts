import type { ScoreGroupResponse } from '#proto/reward/v1/group_pb.ts';
import type { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { pauseAfter, repeat } from '#platform/async/retry.ts';
import { TerminalError, cancelledFrom, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import type { GroupwiseScorer } from '#recipe/reward-parts.ts';
import type { Named } from '#recipe/stage-scorers.ts';
import type { GroupRequest } from './group-request.ts';
import { createOutages } from './outages.ts';
import { failureFromError, failureInResponse } from './scoring-failure.ts';
import type { ScoringFailure } from './scoring-failure.ts';

export type RewardClient = GrpcClient<typeof RewardService>;

export interface Answer {
  readonly response: ScoreGroupResponse | undefined;
  /** Why scores are missing; undefined when every judgement is there. */
  readonly failure: ScoringFailure | undefined;
}

/** Whom a group is asked of, and how long. */
export interface Asking extends Named<GroupwiseScorer> {
  /** Longest time of one call. */
  readonly timeoutMs: number;
  /** Times that it is asked when waiting does not help. */
  readonly attempts: number;
  readonly signal: AbortSignal;
  /** Hears what is waited for. */
  onWait(what: string): void;
}

export interface RetryingScorerOptions {
  readonly client: Pick<RewardClient, 'scoreGroup'>;
  readonly maxOutageMs: number;
  onRetry(asking: Asking, request: GroupRequest, failure: ScoringFailure): void;
  now(): number;
}

/**
 * Asks about a group until there is an answer, or nothing more is to be hoped for: the caller waits for a judge or service that is unavailable for
 * `maxOutageMs`, counted over all groups, anything else that asking again may fix is asked `attempts` times. When `signal` aborts with
 * `deadline_exceeded` the answer is what there is by then; another abort throws `CancelledError`. What nothing can fix throws
 * `TerminalError` naming the scorer.
 */
export function createRetryingScorer(
  options: RetryingScorerOptions,
): (request: GroupRequest, asking: Asking) => Promise<Answer> {
  const { client, maxOutageMs, now } = options;
  const outages = createOutages(now);

  async function askOnce(request: GroupRequest, asking: Asking): Promise<Answer> {
    const { name, scorer, signal, timeoutMs } = asking;
    try {
      const response = await client.scoreGroup(request, { signal, timeoutMs });
      const failure = failureInResponse(response);
      if (failure?.passes !== true) outages.forget(scorer.judge);
      return { response, failure };
    } catch (thrown) {
      throwIfCancelled(signal);
      const error = errorFrom(thrown);
      const failure = failureFromError(error);
      if (failure !== undefined) return { response: undefined, failure };
      throw new TerminalError(
        error instanceof TerminalError ? error.code : 'internal',
        `the groupwise scorer ${name} cannot be asked: ${error.message}; fix it, then resume the run`,
        { cause: error },
      );
    }
  }

  return async (request, asking) => {
    const { name, scorer, attempts, signal } = asking;
    let known: Answer = { response: undefined, failure: undefined };
    let failures = 0;
    let inVain = 0;
    try {
      return await repeat(
        async () => {
          const { response, failure } = await askOnce(request, asking);
          return (known = { response: response ?? known.response, failure });
        },
        ({ failure }) => {
          if (failure === undefined) return undefined;
          failures += 1;
          if (!failure.passes) inVain += 1;
          const isOver = failure.passes
            ? outages.failed(scorer.judge) >= maxOutageMs
            : inVain >= attempts || scorer.partial === 'aggregate';
          if (isOver) return undefined;
          options.onRetry(asking, request, failure);
          asking.onWait(`${name} from judge ${scorer.judge}: ${failure.reason} (${failure.detail})`);
          return pauseAfter(failures, { baseMs: 200 }, 0);
        },
        signal,
      );
    } catch (thrown) {
      // Until the next group is asked about nobody waits: that time is no part of an outage.
      outages.forget(scorer.judge);
      if (!isLate(signal)) throw thrown;
      return { response: known.response, failure: known.failure ?? late(signal) };
    }
  };
}

/** The time for scoring is over, as opposed to a run that is stopped. */
export function isLate(signal: AbortSignal): boolean {
  return signal.aborted && cancelledFrom(signal.reason).code === 'deadline_exceeded';
}

/** What is missing at the deadline. */
export function late(signal: AbortSignal): ScoringFailure {
  return { reason: 'deadline', detail: cancelledFrom(signal.reason).message, passes: false };
}
