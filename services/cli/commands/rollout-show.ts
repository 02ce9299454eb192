import { resolve, join } from 'node:path';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { toJson } from '@bufbuild/protobuf';
import { TerminalError } from '#shared/errors.ts';
import { connectNats } from '#shared/nats/connect.ts';
import type { Nats } from '#shared/nats/connect.ts';
import { startNatsServer } from '#shared/nats/nats-server.ts';
import { createLogger } from '#shared/telemetry/logging.ts';
import { exitCodes } from '../exit-codes.ts';
import { isDirectory } from '../data/is-directory.ts';
import { readFleetFile } from '../fleet/fleet-file.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { findResult, readResults, readTrajectory } from '../transcript/find-rollout.ts';
import { failureWord, renderTranscript } from '../transcript/render-transcript.ts';

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
  await withStreams(resolve(options.home), signal, async (nats) => {
    if (options.list) {
      for await (const result of readResults(nats, options.run, signal)) {
        terminal.out(options.json ? JSON.stringify(toJson(RolloutResultSchema, result)) : listLine(result));
      }
      return;
    }
    const result =
      id === undefined
        ? await lastOf(nats, options.run ?? '', signal)
        : await findResult(nats, id, options.run, signal);
    const trajectory = await readTrajectory(nats, result);
    terminal.out(
      options.json
        ? JSON.stringify({
            result: toJson(RolloutResultSchema, result),
            trajectory: toJson(TrajectorySchema, trajectory),
          })
        : renderTranscript(trajectory, result, terminal.colours),
    );
  });
  return exitCodes.ok;
}

/** The streams of a live fleet, or those stored in the home, served by a NATS of our own while we read. */
async function withStreams(home: string, signal: AbortSignal, use: (nats: Nats) => Promise<void>): Promise<void> {
  const fleet = await readFleetFile(home);
  const log = createLogger({ service: 'gradus', level: 'error' });
  const storeDirectory = join(home, 'nats');
  if (fleet === undefined && !(await isDirectory(storeDirectory))) {
    throw new TerminalError('not_found', `${home} holds no streams of past runs; is --home right?`);
  }
  const server = fleet === undefined ? await startNatsServer({ storeDirectory, signal }) : undefined;
  try {
    const nats = await connectNats({ url: server?.url ?? fleet?.natsUrl ?? '', name: 'gradus-cli', log, signal });
    try {
      await use(nats);
    } finally {
      await nats.close();
    }
  } finally {
    await server?.stop();
  }
}

async function lastOf(nats: Nats, runId: string, signal: AbortSignal): Promise<RolloutResult> {
  let last: RolloutResult | undefined;
  for await (const result of readResults(nats, runId, signal)) if (result.trajectorySequence !== 0n) last = result;
  if (last === undefined) throw new TerminalError('not_found', `run ${runId} has no finished rollout`);
  return last;
}

function listLine(result: RolloutResult): string {
  const reward = result.reward === undefined ? 'none' : result.reward.toFixed(3);
  const purpose = result.purpose === Purpose.EVAL ? 'eval' : 'train';
  const outcome = result.failure === 0 ? JSON.stringify(result.prediction ?? '') : failureWord(result.failure);
  return `${result.taskId.slice(0, 16)}  ${result.stage}  ${purpose.padEnd(5)}  reward ${reward}  ${result.turns} turns  ${outcome}`;
}
