import { resolve, join } from 'node:path';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { toJson } from '@bufbuild/protobuf';
import { TerminalError, TransientError } from '#shared/errors.ts';
import { connectNats } from '#shared/nats/connect.ts';
import type { Nats } from '#shared/nats/connect.ts';
import { createLogger } from '#shared/telemetry/logging.ts';
import { exitCodes } from '../exit-codes.ts';
import { isDirectory } from '../data/is-directory.ts';
import { claimHome, readFleetFile, releaseHome } from '../fleet/fleet-file.ts';
import type { FleetFile } from '../fleet/fleet-file.ts';
import { startGuardian } from '../fleet/guardian.ts';
import { startNats } from '../fleet/start-nats.ts';
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
  if (fleet !== undefined) {
    await withNats(fleet.natsUrl, signal, use);
    return;
  }
  if (!(await isDirectory(join(home, 'nats')))) {
    throw new TerminalError('not_found', `${home} holds no streams of past runs; is --home right?`);
  }
  // A fleet that started now would open the same store a second time.
  await claimHome(home, readerFile(home));
  const guardian = startGuardian();
  try {
    const server = await startNats({ home, at: undefined, guardian, signal });
    try {
      await withNats(`nats://${server.addresses.nats ?? ''}`, signal, use);
    } finally {
      await server.stop(5_000);
    }
  } finally {
    guardian.release();
    await releaseHome(home);
  }
}

function readerFile(home: string): FleetFile {
  return {
    format: 1,
    pid: process.pid,
    owner: 'reader',
    recipePath: "'gradus rollout show'",
    key: '',
    paths: { model: '', train: '', held_out: '', corpus: '' },
    logs: home,
    natsUrl: '',
    services: [],
  };
}

async function withNats(url: string, signal: AbortSignal, use: (nats: Nats) => Promise<void>): Promise<void> {
  if (url === 'nats://' || url === '') {
    throw new TransientError(
      'unavailable',
      'the streams of this home are just being opened or read; try again in a moment',
    );
  }
  const nats = await connectNats({
    url,
    name: 'gradus-cli',
    log: createLogger({ service: 'gradus', level: 'error' }),
    signal,
  });
  try {
    await use(nats);
  } finally {
    await nats.close();
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
