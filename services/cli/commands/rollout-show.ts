import { rolloutSpan } from '#trajectory/rollout-span.ts';
import { failureWord } from '#trajectory/enum-words.ts';
import { resolve } from 'node:path';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { toJson } from '@bufbuild/protobuf';
import { TerminalError } from '#platform/errors.ts';
import { recordedComposition } from '#trajectory/recorded-task.ts';
import { exitCodes } from '../exit-codes.ts';
import { composeRecorded } from '#run/rollouts/recorded-reward.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { createCountedRewards, type CountedReward } from '#run/rollouts/counted-rewards.ts';
import { findResult, lastRollout, readResults, readTrajectory } from '#run/rollouts/find-rollout.ts';
import { renderTranscript } from '../transcript/render-transcript.ts';
import { withStreams } from '../transcript/with-streams.ts';

export interface RolloutShowOptions {
  readonly home: string;
  readonly run?: string;
  readonly list: boolean;
  readonly json: boolean;
}

/** One rollout as a transcript, or the list of a run's rollouts. Works with and without a running fleet. */
export async function rolloutShowCommand(
  id: string | undefined,
  options: RolloutShowOptions,
  terminal: Terminal,
): Promise<number> {
  if (id === undefined && options.run === undefined) {
    throw new TerminalError(
      'invalid_argument',
      'give the id of a rollout, or --run RUN (its last rollout) or --run RUN --list',
    );
  }
  const signal = AbortSignal.timeout(120_000);
  await withStreams(
    resolve(options.home),
    { command: 'gradus rollout show', note: (line) => terminal.err(line) },
    signal,
    async (nats) => {
      const countedReward = createCountedRewards(nats, signal);
      if (options.list) {
        for await (const result of readResults(nats, options.run, signal)) {
          terminal.out(
            options.json
              ? JSON.stringify(toJson(RolloutResultSchema, result))
              : listLine(result, await countedReward(result)),
          );
        }
        return;
      }
      const result =
        id === undefined
          ? await lastRollout(nats, options.run ?? '', signal)
          : await findResult(nats, id, options.run, signal);
      const trajectory = await readTrajectory(nats, result);
      const counted = await countedReward(result);
      const reward =
        counted.kind === 'open' ? composeRecorded(recordedComposition(trajectory), result).total : rewardOf(counted);
      terminal.out(
        options.json
          ? JSON.stringify({
              result: toJson(RolloutResultSchema, result),
              trajectory: toJson(TrajectorySchema, trajectory),
              reward: reward ?? null,
              traceId: rolloutSpan(result.runId, result.taskId).traceId,
            })
          : renderTranscript(trajectory, result, reward, terminal.colours),
      );
    },
  );
  return exitCodes.ok;
}

function rewardOf(counted: CountedReward): number | undefined {
  return counted.kind === 'reward' ? counted.reward : undefined;
}

function listLine(result: RolloutResult, counted: CountedReward): string {
  const reward = counted.kind === 'reward' ? counted.reward.toFixed(3) : counted.kind;
  const purpose = result.purpose === Purpose.EVAL ? 'eval' : 'train';
  const outcome = result.failure === 0 ? JSON.stringify(result.prediction ?? '') : failureWord(result.failure);
  return `${result.taskId.slice(0, 16)}  ${result.stage}  ${purpose.padEnd(5)}  reward ${reward}  ${result.turns} turns  ${outcome}`;
}
