/**
 * Plays one task again and prints what came of it. It has no connection to NATS, so nothing that it does is counted.
 *
 *   stdin: a gradus.rollout.v1.RolloutTask
 *   stdout: one line, {"trajectory": …, "result": …} in protobuf's JSON, or {"error": {"code", "message"}}
 */
import { buffer } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { toJson } from '@bufbuild/protobuf';
import { z } from 'zod';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { CancelledError, TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { openSecurity } from '#platform/security/security.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createUserCodeHost } from '#user-code/user-code-host.ts';
import { InfrastructureFailure } from '../episode/infrastructure-failure.ts';
import { defaultFileLimits, type FileLimits } from '#environments/own-file/contained.ts';
import { loadOwnEpisodes } from '#environments/own-file/load.ts';
import { createEnvironmentClients } from '../worker/environment-clients.ts';
import { decodeTask } from '../episode/parse-task.ts';
import { replayTask } from './replay-task.ts';

const callTimeoutMs = 30_000;

function required(name: string, text: string | undefined): string {
  if (text === undefined || text === '') throw new TerminalError('invalid_argument', `--${name} HOST:PORT is missing`);
  return text;
}

const variableNames = z.array(z.string());

/** The command line wrote them from the recipe. */
function limitsFrom(values: Readonly<Record<string, string | undefined>>): FileLimits {
  const { processes, memoryMebibytes, startTimeoutMs } = defaultFileLimits;
  return {
    processes: Number(values['environment-processes'] ?? processes),
    memoryMebibytes: Number(values['environment-memory-mebibytes'] ?? memoryMebibytes),
    startTimeoutMs: Number(values['environment-start-timeout-ms'] ?? startTimeoutMs),
    variables: variableNames.parse(JSON.parse(values['environment-variables'] ?? '[]')),
  };
}

async function main(signal: AbortSignal): Promise<unknown> {
  const { values } = parseArgs({
    options: {
      'environment-file': { type: 'string' },
      'environment-processes': { type: 'string' },
      'environment-memory-mebibytes': { type: 'string' },
      'environment-start-timeout-ms': { type: 'string' },
      'environment-variables': { type: 'string' },
      policy: { type: 'string' },
      retrieval: { type: 'string' },
      reward: { type: 'string' },
      'tls-ca': { type: 'string' },
      'tls-cert': { type: 'string' },
      'tls-key': { type: 'string' },
    },
  });
  const file = values['environment-file'];
  const timeoutMs = callTimeoutMs;
  const log = createLogger({ service: 'replay', level: 'warn' });
  const tls = { ca: values['tls-ca'], cert: values['tls-cert'], key: values['tls-key'] };
  const security = await openSecurity({ tls, nats: {} }, { log, signal });
  const policy = createGrpcClient(PolicyService, required('policy', values.policy), { timeoutMs, security });
  const reward = createGrpcClient(RewardService, required('reward', values.reward), { timeoutMs, security });
  await using ending = new AsyncDisposableStack();
  const userCode = createUserCodeHost({ log, defer: (_what, dispose) => ending.defer(dispose) }, process.env);
  const { retrieval } = values;
  if (file !== undefined) await loadOwnEpisodes({ file, limits: limitsFrom(values), retrieval }, await userCode());
  const clients = createEnvironmentClients({
    retrieval,
    timeoutMs,
    userCode,
    tokenize: policy.tokenize,
    describe: policy.describe,
    security,
  });
  try {
    const task = decodeTask(await buffer(process.stdin));
    const { trajectory, result } = await replayTask(task, { policy, reward, environment: clients }, signal);
    return { trajectory: toJson(TrajectorySchema, trajectory), result: toJson(RolloutResultSchema, result) };
  } catch (thrown) {
    // The parent says to its user what could not be reached.
    throw thrown instanceof InfrastructureFailure
      ? new TransientError('unavailable', thrown.message, { cause: thrown })
      : thrown;
  } finally {
    for (const client of [policy, clients, reward]) client.close();
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
