import type { Score, ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { TransientError, cancelledFrom, errorFrom } from '#platform/errors.ts';
import type { ScoreBatcher } from '../scoring/score-batcher.ts';
import { requireComponents } from '../scoring/require-components.ts';
import { scoredByRule, scoreItemOf } from '../scoring/score-item.ts';
import { InfrastructureFailure, infrastructureFailureFrom } from './infrastructure-failure.ts';
import type { EnvironmentInPlay } from './check-outcome.ts';
import type { ParsedTask } from './parse-task.ts';
import { retryInPlace } from './retry-in-place.ts';
import { overdueAfter, type EpisodePorts } from './episode-ports.ts';
import { UserCodeFailure, userCodeFailureOf } from './user-code-failure.ts';
import { runEpisode, type EpisodeRecord } from './run-episode.ts';

export interface RolloutPorts extends EpisodePorts {
  readonly scores: ScoreBatcher;
}

export interface FinishedRollout {
  readonly record: EpisodeRecord;
  readonly item: ScoreItem;
  readonly score: Score;
}

/**
 * One rollout within its deadline: the episode, then its scores. Throws InfrastructureFailure when the platform failed
 * (never a reward), CancelledError when `signal` aborted, which means that the worker stops.
 */
export async function runRollout(
  parsed: ParsedTask,
  played: EnvironmentInPlay,
  ports: RolloutPorts,
  signal: AbortSignal,
): Promise<FinishedRollout> {
  const { limits, task } = parsed;
  const endsAtMs = performance.now() + limits.rolloutTimeoutMs;
  /** What a rollout that has been played waits for, in the words of its failure. */
  let unscored = '';
  const onRetry = ({ message }: Error): void => void (unscored = `; scoring: ${message}`);
  using deadline = deadlineSignal(signal, limits.rolloutTimeoutMs, `rollout of task ${task.taskId}`);
  try {
    const record = await runEpisode(parsed, played, ports, deadline.signal);
    const item = scoreItemOf(parsed, record);
    unscored = '; it was played, and waited for its score';
    return {
      record,
      item,
      score: await scoreEpisode(parsed, item, ports, { signal: deadline.signal, endsAtMs, onRetry }),
    };
  } catch (thrown) {
    if (signal.aborted) throw cancelledFrom(signal.reason);
    if (deadline.signal.aborted) {
      throw new InfrastructureFailure(
        FailureClass.ROLLOUT_TIMEOUT,
        `the rollout took longer than ${limits.rolloutTimeoutMs} ms${unscored}`,
        { cause: thrown },
      );
    }
    throw thrown;
  }
}

/** What a cancellation may take to reach the reward service. */
const cancellationMs = 1_000;

/** Longest that an evaluated rollout waits for a judge that is out. */
const longestOutageMs = 60_000;

interface ScoringTime {
  readonly signal: AbortSignal;
  /** On the clock of performance.now(). */
  readonly endsAtMs: number;
  onRetry(error: Error): void;
}

/**
 * What rules score is over within a turn's time; judges and custom scorers may take what is left of the rollout's. An evaluated rollout waits
 * for an outage at most half of that, and is kept without the components that are absent: playing it again costs more than judging
 * it later.
 */
async function scoreEpisode(
  { task, limits, compositions }: ParsedTask,
  item: ScoreItem,
  ports: RolloutPorts,
  { signal, endsAtMs, onRetry }: ScoringTime,
): Promise<Score> {
  const leftMs = (): number => Math.max(1, Math.round(endsAtMs - performance.now()));
  const byRule = scoredByRule(item);
  const waitsUntilMs = performance.now() + Math.min(longestOutageMs, leftMs() / 2);
  const isKept = (thrown: unknown): boolean =>
    task.purpose === Purpose.EVAL &&
    thrown instanceof TransientError &&
    (thrown.code !== 'resource_exhausted' || performance.now() >= waitsUntilMs);
  // `signal` ends the call in time, so that the rollout's deadline has one message; the call's own deadline is the server's.
  const ask = (): Promise<Score> =>
    byRule
      ? ports.scores.score(item, signal)
      : ports.scores.scoreAlone(item, { signal, timeoutMs: leftMs() + cancellationMs });
  const score = async (): Promise<Score> => {
    const given = await ask();
    stopOnThrown(given);
    try {
      for (const composition of compositions) requireComponents(composition, given);
    } catch (thrown) {
      if (!isKept(thrown)) throw thrown;
    }
    return given;
  };
  const watched = ports.waits.begin({
    what: 'reward.score',
    subject: task.taskId,
    expectedMs: overdueAfter(byRule ? limits.turnTimeoutMs : leftMs()),
  });
  try {
    return await retryInPlace(score, ports.retries, signal, (error) => {
      onRetry(error);
      ports.events.callRetried(FailureClass.REWARD_UNAVAILABLE, error);
    });
  } catch (thrown) {
    const ofUser = userCodeFailureOf(thrown);
    if (ofUser !== undefined) throw ofUser;
    throw infrastructureFailureFrom(FailureClass.REWARD_UNAVAILABLE, 'scoring', errorFrom(thrown));
  } finally {
    watched[Symbol.dispose]();
  }
}

/** Also one of weight 0: what it would have recorded is missing from every rollout. */
function stopOnThrown({ threw }: Score): void {
  const [first] = Object.entries(threw);
  if (first === undefined) return;
  throw new UserCodeFailure(FailureClass.USER_SCORER, `scorer ${first[0]} threw: ${first[1]}`);
}
