import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fromJson } from '@bufbuild/protobuf';
import { z } from 'zod';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError, TransientError, cancelledFrom } from '#shared/errors.ts';
import { repositoryRoot } from '../repository.ts';

const answerSchema = z.union([
  z.object({ trajectory: z.json(), result: z.json() }),
  z.object({ error: z.object({ code: z.string(), message: z.string() }) }),
]);

export interface PlayOptions {
  /** The recorded gradus.rollout.v1.RolloutTask. */
  readonly task: Uint8Array;
  readonly policy: string;
  readonly retrieval: string;
  readonly reward: string;
  /** Longer than the rollout's own deadline. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface PlayedRollout {
  readonly trajectory: Trajectory;
  readonly result: RolloutResult;
}

/** Largest answer: a trajectory of about a million tokens, as JSON. */
const maxBytes = 64 * 1024 * 1024;

/** Runs the workers' own code for one task, in a process of its own that cannot publish. */
export async function playAgain(options: PlayOptions): Promise<PlayedRollout> {
  const { policy, retrieval, reward, signal, timeoutMs } = options;
  const program = join(repositoryRoot, 'services/rollout/replay/main.ts');
  const { error, stdout, stderr } = await new Promise<{ error: Error | null; stdout: string; stderr: string }>(
    (resolve) => {
      const child = execFile(
        process.execPath,
        [
          '--disable-warning=ExperimentalWarning',
          program,
          '--policy',
          policy,
          '--retrieval',
          retrieval,
          '--reward',
          reward,
        ],
        { timeout: timeoutMs, maxBuffer: maxBytes, signal },
        (failed, out, err) => resolve({ error: failed, stdout: out, stderr: err }),
      );
      // A child that ended before it has read everything says why on its stdout.
      child.stdin?.on('error', () => {});
      child.stdin?.end(options.task);
    },
  );
  if (signal.aborted) throw cancelledFrom(signal.reason);
  const answer = parseAnswer(stdout);
  if (answer === undefined) {
    const last = stderr.trim().split('\n').at(-1) ?? '';
    throw new TransientError('unavailable', `the replay gave no answer within ${timeoutMs} ms: ${last}`, {
      cause: error,
    });
  }
  if ('error' in answer) {
    const { code, message } = answer.error;
    if (code === 'unavailable') throw new TransientError('unavailable', message);
    throw new TerminalError('failed_precondition', `the rollout could not be played again: ${message}`);
  }
  return {
    trajectory: fromJson(TrajectorySchema, answer.trajectory),
    result: fromJson(RolloutResultSchema, answer.result),
  };
}

function parseAnswer(text: string): z.infer<typeof answerSchema> | undefined {
  try {
    return answerSchema.parse(JSON.parse(text));
  } catch {
    // Cut off, or nothing at all: the caller says so.
    return undefined;
  }
}
