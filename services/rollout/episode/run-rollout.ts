import type { Score } from '#proto/reward/v1/reward_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { deadlineSignal } from '#shared/async/deadline-signal.ts';
import { cancelledFrom, errorFrom } from '#shared/errors.ts';
import { countTokens } from '#shared/trajectory/segments.ts';
import type { Environment } from '../environments/environment.ts';
import type { ScoreBatcher } from '../scoring/score-batcher.ts';
import { InfrastructureFailure, infrastructureFailureFrom } from './infrastructure-failure.ts';
import type { ParsedTask } from './parse-task.ts';
import { retryInPlace } from './retry-in-place.ts';
import { overdueAfter } from './rollout-waits.ts';
import { runEpisode, type EpisodePorts, type EpisodeRecord } from './run-episode.ts';

export interface RolloutPorts extends EpisodePorts {
  readonly scores: ScoreBatcher;
}

export interface FinishedRollout {
  readonly record: EpisodeRecord;
  readonly score: Score;
}

/**
 * One rollout within its deadline: the episode, then its reward. Throws InfrastructureFailure when the platform failed
 * (never a reward), CancelledError when `signal` aborted, which is the worker going away.
 */
export async function runRollout(
  parsed: ParsedTask,
  environment: Environment,
  ports: RolloutPorts,
  signal: AbortSignal,
): Promise<FinishedRollout> {
  const { limits, task } = parsed;
  using deadline = deadlineSignal(signal, limits.rolloutTimeoutMs, `rollout of task ${task.taskId}`);
  try {
    const record = await runEpisode(parsed, environment, ports, deadline.signal);
    return { record, score: await scoreEpisode(parsed, record, ports, deadline.signal) };
  } catch (thrown) {
    if (signal.aborted) throw cancelledFrom(signal.reason);
    if (deadline.signal.aborted) {
      throw new InfrastructureFailure(
        FailureClass.ROLLOUT_TIMEOUT,
        `the rollout took longer than ${limits.rolloutTimeoutMs} ms`,
        { cause: thrown },
      );
    }
    throw thrown;
  }
}

async function scoreEpisode(
  { task, question, limits }: ParsedTask,
  record: EpisodeRecord,
  ports: RolloutPorts,
  signal: AbortSignal,
): Promise<Score> {
  const item = {
    id: task.taskId,
    answers: question.answers,
    turns: [...record.turns],
    rewards: task.rewards,
    supportTitles: question.supportTitles,
    tokens: countTokens(record.segments),
  };
  try {
    return await ports.waits.during(
      { what: 'reward.score', subject: task.taskId, expectedMs: overdueAfter(limits.turnTimeoutMs) },
      () =>
        retryInPlace(
          () => ports.scores.score(item, signal),
          ports.retries,
          signal,
          (error) => ports.events.callRetried(FailureClass.REWARD_UNAVAILABLE, error),
        ),
    );
  } catch (thrown) {
    throw infrastructureFailureFrom(FailureClass.REWARD_UNAVAILABLE, 'scoring', errorFrom(thrown));
  }
}
