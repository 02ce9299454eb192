/**
 * Plays one task again and prints what came of it. It has no connection to NATS, so nothing that it does is counted.
 *
 *   stdin: a gradus.rollout.v1.RolloutTask
 *   stdout: one line, {"trajectory": …, "result": …} in protobuf's JSON, or {"error": {"code", "message"}}
 */
import { buffer } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { toJson } from '@bufbuild/protobuf';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { CancelledError, TerminalError, TransientError, errorFrom } from '#shared/errors.ts';
import { createGrpcClient } from '#shared/grpc/client.ts';
import { InfrastructureFailure } from '../episode/infrastructure-failure.ts';
import { decodeTask } from '../episode/parse-task.ts';
import { replayTask } from './replay-task.ts';

const callTimeoutMs = 30_000;

function required(name: string, text: string | undefined): string {
  if (text === undefined || text === '') throw new TerminalError('invalid_argument', `--${name} HOST:PORT is missing`);
  return text;
}

async function main(signal: AbortSignal): Promise<unknown> {
  const { values } = parseArgs({
    options: { policy: { type: 'string' }, retrieval: { type: 'string' }, reward: { type: 'string' } },
  });
  const timeoutMs = callTimeoutMs;
  const policy = createGrpcClient(PolicyService, required('policy', values.policy), { timeoutMs });
  const retrieval = createGrpcClient(RetrievalService, required('retrieval', values.retrieval), { timeoutMs });
  const reward = createGrpcClient(RewardService, required('reward', values.reward), { timeoutMs });
  try {
    const task = decodeTask(await buffer(process.stdin));
    const { trajectory, result } = await replayTask(task, { policy, retrieval, reward }, signal);
    return { trajectory: toJson(TrajectorySchema, trajectory), result: toJson(RolloutResultSchema, result) };
  } catch (thrown) {
    // The parent says to its user what could not be reached.
    throw thrown instanceof InfrastructureFailure
      ? new TransientError('unavailable', thrown.message, { cause: thrown })
      : thrown;
  } finally {
    for (const client of [policy, retrieval, reward]) client.close();
  }
}

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => stop.abort(new CancelledError('cancelled', `the replay got ${name}`)));
try {
  process.stdout.write(`${JSON.stringify(await main(stop.signal))}\n`);
} catch (thrown) {
  const { code, message } = errorFrom(thrown);
  process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  process.exitCode = 1;
}
