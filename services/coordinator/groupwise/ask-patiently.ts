import type { ScoreGroupResponse } from '#proto/reward/v1/group_pb.ts';
import type { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { pauseAfter, repeat } from '#platform/async/retry.ts';
import { TerminalError, cancelledFrom, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import type { GroupwiseScorer } from '#recipe/reward-parts.ts';
import type { Named } from '#recipe/stage-scorers.ts';
import type { GroupRequest } from './group-request.ts';
import { createOutages } from './outages.ts';
import { troubleFrom, troubleOf } from './trouble.ts';
import type { Trouble } from './trouble.ts';

export type RewardClient = GrpcClient<typeof RewardService>;

export interface Answer {
  readonly response: ScoreGroupResponse | undefined;
  /** Why scores are missing; undefined when every judgement is there. */
  readonly trouble: Trouble | undefined;
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

export interface PatienceOptions {
  readonly client: Pick<RewardClient, 'scoreGroup'>;
  readonly patienceMs: number;
  onRetry(asking: Asking, request: GroupRequest, trouble: Trouble): void;
  now(): number;
}

/**
 * Asks about a group until there is an answer, or nothing more is to be hoped for: a judge or service that is away is waited for
 * `patienceMs`, counted over all groups, anything else that asking again may fix is asked `attempts` times. When `signal` aborts with
 * `deadline_exceeded` the answer is what there is by then; another abort throws `CancelledError`. What nothing mends throws
 * `TerminalError` naming the scorer.
 */
export function createPatientAsk(options: PatienceOptions): (request: GroupRequest, asking: Asking) => Promise<Answer> {
  const { client, patienceMs, now } = options;
  const outages = createOutages(now);

  async function askOnce(request: GroupRequest, asking: Asking): Promise<Answer> {
    const { name, scorer, signal, timeoutMs } = asking;
    try {
      const response = await client.scoreGroup(request, { signal, timeoutMs });
      const trouble = troubleOf(response);
      if (trouble?.passes !== true) outages.forget(scorer.judge);
      return { response, trouble };
    } catch (thrown) {
      throwIfCancelled(signal);
      const error = errorFrom(thrown);
      const trouble = troubleFrom(error);
      if (trouble !== undefined) return { response: undefined, trouble };
      throw new TerminalError(
        error instanceof TerminalError ? error.code : 'internal',
        `the groupwise scorer ${name} cannot be asked: ${error.message}; fix it, then resume the run`,
        { cause: error },
      );
    }
  }

  return async (request, asking) => {
    const { name, scorer, attempts, signal } = asking;
    let known: Answer = { response: undefined, trouble: undefined };
    let failures = 0;
    let inVain = 0;
    try {
      return await repeat(
        async () => {
          const { response, trouble } = await askOnce(request, asking);
          return (known = { response: response ?? known.response, trouble });
        },
        ({ trouble }) => {
          if (trouble === undefined) return undefined;
          failures += 1;
          if (!trouble.passes) inVain += 1;
          const isOver = trouble.passes
            ? outages.failed(scorer.judge) >= patienceMs
            : inVain >= attempts || scorer.partial === 'aggregate';
          if (isOver) return undefined;
          options.onRetry(asking, request, trouble);
          asking.onWait(`${name} from judge ${scorer.judge}: ${trouble.reason} (${trouble.detail})`);
          return pauseAfter(failures, { baseMs: 200 }, 0);
        },
        signal,
      );
    } catch (thrown) {
      // Until the next group is asked about nobody waits: that time is no part of an outage.
      outages.forget(scorer.judge);
      if (!isLate(signal)) throw thrown;
      return { response: known.response, trouble: known.trouble ?? late(signal) };
    }
  };
}

/** The time for scoring is over, as opposed to a run that is stopped. */
export function isLate(signal: AbortSignal): boolean {
  return signal.aborted && cancelledFrom(signal.reason).code === 'deadline_exceeded';
}

/** What is missing at the deadline. */
export function late(signal: AbortSignal): Trouble {
  return { reason: 'deadline', detail: cancelledFrom(signal.reason).message, passes: false };
}
