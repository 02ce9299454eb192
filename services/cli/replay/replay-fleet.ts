import type { DescribeResponse } from '#proto/policy/v1/policy_pb.ts';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { needsRetrieval } from '#recipe/environment-part.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import type { FleetFile } from '#fleet/fleet-file.ts';
import { planBase, planPolicy } from '#fleet/fleet-plan.ts';
import type { FleetInputs } from '#fleet/planned-service.ts';
import { serviceDeadlines } from '#fleet/service-deadlines.ts';
import { planScriptedJudges, withScriptedJudges } from '#fleet/scripted-judges.ts';
import { createOwnServices } from '../process/own-services.ts';
import type { Weights } from '#run/ledger/weights-history.ts';

export interface ReplayFleetOptions {
  readonly inputs: FleetInputs;
  /** A running fleet with the same model, data and retrieval: what it serves is used. */
  readonly lent: FleetFile | undefined;
  /** What the policy must be; undefined takes the running fleet's as it is. */
  readonly weights: Weights | undefined;
  /** Absolute: a directory of certificates, for what is started and for the running fleet. */
  readonly credentials: string | undefined;
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

const callTimeoutMs = 120_000;

/**
 * Retrieval, reward, one engine and its gateway: what one rollout needs, and no queue, so that nothing can be counted. The
 * engine is always our own when weights are given: a running fleet's policy is never changed for a replay.
 */
export async function startReplayFleet(options: ReplayFleetOptions): Promise<ReplayFleet> {
  const { inputs, lent, weights, credentials, logs, signal } = options;
  const own = await createOwnServices({ logs, prefix: 'replay', credentials, signal });
  const { start, stop } = own;
  const lentAddress = (service: string): string | undefined =>
    lent?.services.find((each) => each.service === service)?.grpc;

  try {
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
    const loadMs = serviceDeadlines(recipe).load?.fleetMs ?? callTimeoutMs;
    const needed = retrieval === '' ? {} : { retrieval };
    return { policy, ...needed, reward, description: await prepare(policy, options, loadMs), stop };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

/** Loads the weights, if others than the engine started with are wanted, and says what the policy is. */
async function prepare(
  address: string,
  { weights, credentials, signal }: ReplayFleetOptions,
  loadMs: number,
): Promise<DescribeResponse> {
  const client = createGrpcClient(PolicyService, address, {
    timeoutMs: callTimeoutMs,
    security: await openOperator(credentials),
  });
  try {
    await client.ready({ timeoutMs: callTimeoutMs, signal });
    if (weights?.path !== undefined)
      await client.loadVersion({ version: weights.version, weightsPath: weights.path }, { timeoutMs: loadMs, signal });
    return await client.describe({}, { signal });
  } finally {
    client.close();
  }
}
