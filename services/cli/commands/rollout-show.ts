import { rolloutSpan } from '#trajectory/rollout-span.ts';
import { resolve } from 'node:path';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { recordedComposition } from '#trajectory/recorded-task.ts';
import { exitCodes } from '../exit-codes.ts';
import { composeRecorded } from '#run/rollouts/recorded-reward.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { createCountedRollouts, type CountedReward } from '#run/rollouts/counted-rollouts.ts';
import { findResult, lastRollout, readTrajectory } from '#run/rollouts/results.ts';
import { renderTranscript } from '../transcript/render-transcript.ts';
import { withStreams } from '../transcript/with-streams.ts';
import { jsonLine, messageJson } from '../terminal/json-line.ts';

export interface RolloutShowOptions {
  readonly home: string;
  readonly run?: string;
  readonly json: boolean;
}

/** One rollout as a transcript. Works with and without a running fleet. */
export async function rolloutShowCommand(
  id: string | undefined,
  options: RolloutShowOptions,
  terminal: Terminal,
): Promise<number> {
  if (id === undefined && options.run === undefined) {
    throw new TerminalError(
      'invalid_argument',
      "give the id of a rollout, or --run RUN for its last one; 'gradus rollout list' lists them",
    );
  }
  const signal = AbortSignal.timeout(120_000);
  await withStreams(
    resolve(options.home),
    { command: 'gradus rollout show', note: (line) => terminal.err(line) },
    signal,
    async (nats) => {
      const result =
        id === undefined
          ? await lastRollout(nats, options.run ?? '', signal)
          : await findResult(nats, id, options.run, signal);
      const trajectory = await readTrajectory(nats, result);
      const { reward: counted } = await createCountedRollouts(nats, signal)(result);
      const reward =
        counted.kind === 'open' ? composeRecorded(recordedComposition(trajectory), result).total : rewardOf(counted);
      terminal.out(
        options.json
          ? jsonLine({
              result: messageJson(RolloutResultSchema, result),
              trajectory: messageJson(TrajectorySchema, trajectory),
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
