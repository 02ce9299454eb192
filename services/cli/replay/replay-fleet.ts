import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DescribeResponse } from '#proto/policy/v1/policy_pb.ts';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { needsRetrieval } from '#recipe/environment-part.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { startChildService } from '#fleet/child-service.ts';
import type { ChildService, Ready } from '#fleet/child-service.ts';
import type { FleetFile } from '#fleet/fleet-file.ts';
import { flags, planBase, planPolicy } from '#fleet/fleet-plan.ts';
import type { FleetInputs, PlannedService } from '#fleet/fleet-plan.ts';
import { startGuardian } from '#platform/runtime/guardian.ts';
import { planScriptedJudges, withScriptedJudges } from '#fleet/scripted-judges.ts';
import { childEnvironment, programOf } from '#fleet/service-programs.ts';
import type { Weights } from '#run/ledger/weights-history.ts';

export interface ReplayFleetOptions {
  readonly inputs: FleetInputs;
  /** A running fleet with the same model, data and retrieval: what it serves is used. */
  readonly lent: FleetFile | undefined;
  /** What the policy must be; undefined takes the running fleet's as it is. */
  readonly weights: Weights | undefined;
  /** Absolute folder for logs of what is started. */
  readonly logs: string;
  readonly signal: AbortSignal;
}

export interface ReplayFleet {
  readonly policy: string;
  /** Absent where the environment needs none. */
  readonly retrieval?: string;
  readonly reward: string;
  readonly description: DescribeResponse;
  stop(): Promise<void>;
}

/** Importing PyTorch from a cold disk takes its time. */
const readyTimeoutMs = 180_000;
const callTimeoutMs = 120_000;
const stopGraceMs = 5_000;

/**
 * Retrieval, reward, one engine and its gateway: what one rollout needs, and no queue, so that nothing can be counted. The
 * engine is always our own when weights are given: a running fleet's policy is never changed for a replay.
 */
export async function startReplayFleet(options: ReplayFleetOptions): Promise<ReplayFleet> {
  const { inputs, lent, weights, logs, signal } = options;
  const guardian = startGuardian();
  const children: ChildService[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.stop(stopGraceMs)));
    guardian.release();
  };
  const start = async (planned: PlannedService): Promise<Ready> => {
    const program = programOf(planned.program ?? planned.service);
    const threads: Record<string, string> =
      planned.threads === undefined ? {} : { OMP_NUM_THREADS: `${planned.threads}` };
    const child = await startChildService({
      label: planned.label,
      command: program.command,
      args: [...program.args, ...planned.args, ...flags({ grpc: '127.0.0.1:0', metrics: '127.0.0.1:0' })],
      env: childEnvironment(process.env, { ...program.env, ...threads }, planned.variables),
      logFile: join(logs, `replay-${planned.label}.log`),
      readyTimeoutMs,
      guardian,
      signal,
    });
    children.push(child);
    return child.ready;
  };
  const lentAddress = (service: string): string | undefined =>
    lent?.services.find((each) => each.service === service)?.grpc;

  try {
    await mkdir(logs, { recursive: true });
    const { recipe, paths } = inputs;
    const one = { paths, recipe: { ...recipe, fleet: { ...recipe.fleet, engines: 1 } } };
    const judges =
      lentAddress('reward') === undefined
        ? await Promise.all(
            planScriptedJudges(one).map(async (planned) => [planned.label, (await start(planned)).http ?? ''] as const),
          )
        : [];
    const base = planBase(withScriptedJudges(one, new Map(judges)));
    const addressOf = async (service: string): Promise<string> => {
      const planned = base.find((each) => each.service === service);
      if (planned === undefined) throw new TransientError('unavailable', `a fleet has no ${service}`);
      return (await start(planned)).grpc ?? '';
    };
    const policyAddress = async (): Promise<string> =>
      weights === undefined
        ? (lentAddress('policy') ?? '')
        : ((await start(planPolicy(one, [await addressOf('engine')]))).grpc ?? '');
    const outcomes = await Promise.allSettled([
      policyAddress(),
      needsRetrieval(recipe) ? (lentAddress('retrieval') ?? addressOf('retrieval')) : '',
      lentAddress('reward') ?? addressOf('reward'),
    ]);
    const [policy = '', retrieval = '', reward = ''] = outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw errorFrom(outcome.reason);
      return outcome.value;
    });
    const needed = retrieval === '' ? {} : { retrieval };
    return { policy, ...needed, reward, description: await prepare(policy, weights, signal), stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

/** Loads the weights, if others than the engine started with are wanted, and says what the policy is. */
async function prepare(address: string, weights: Weights | undefined, signal: AbortSignal): Promise<DescribeResponse> {
  const client = createGrpcClient(PolicyService, address, { timeoutMs: callTimeoutMs });
  try {
    await client.ready({ timeoutMs: callTimeoutMs, signal });
    if (weights?.path !== undefined)
      await client.loadVersion({ version: weights.version, weightsPath: weights.path }, { signal });
    return await client.describe({}, { signal });
  } finally {
    client.close();
  }
}
