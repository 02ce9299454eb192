import type { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import type { StageRecipe } from '#recipe/schema.ts';
import { callWithRetries } from './call-with-retries.ts';
import type { CallRetries } from './call-with-retries.ts';
import { checkEngines } from './check-engines.ts';

export type PolicyClient = Pick<GrpcClient<typeof PolicyService>, 'describe' | 'loadVersion'>;

/** A directory of weights, and the digest that engines check them against; without one they are not checked. */
export interface Weights {
  readonly path: string;
  readonly digest?: string;
}

/** The policy gateway, as a run uses it. */
export interface PolicySession {
  /** Returns when every engine serves `version`. */
  load(version: number, weights: Weights, signal: AbortSignal): Promise<void>;
  /** What the engines serve now. `weightsPath` is empty while those are the weights that they were started with. */
  served(signal: AbortSignal): Promise<{ readonly version: number; readonly weightsPath: string }>;
  /** Waits for an engine that is down and can do what the stage needs; throws TerminalError where none can. */
  checkStage(stage: StageRecipe, signal: AbortSignal): Promise<void>;
  /** Returns when every engine serves `version` or a newer one. */
  reach(version: number, weights: Weights, signal: AbortSignal): Promise<void>;
}

export interface PolicySessionOptions {
  readonly client: PolicyClient;
  readonly timeoutMs: number;
  readonly retries: CallRetries;
  /** Fencing token of this leader; sent with every call. */
  readonly epoch: number;
  /** Throws `CancelledError` when another coordinator leads the run. */
  confirm(): Promise<void>;
}

export function createPolicySession(options: PolicySessionOptions): PolicySession {
  const { client, timeoutMs, retries } = options;
  const epoch = BigInt(options.epoch);
  async function load(version: number, { path, digest = '' }: Weights, signal: AbortSignal): Promise<void> {
    await options.confirm();
    const request = { version: BigInt(version), weightsPath: path, weightsDigest: digest, epoch };
    await client.loadVersion(request, { signal, timeoutMs });
  }
  return {
    served: (signal) =>
      callWithRetries(retries, signal, async () => {
        const { version, weightsPath } = await client.describe({}, { signal, timeoutMs });
        return { version: Number(version), weightsPath };
      }),
    async checkStage(stage, signal) {
      await callWithRetries(retries, signal, async () =>
        checkEngines(stage, await client.describe({}, { signal, timeoutMs })),
      );
    },
    async load(version, weights, signal) {
      await callWithRetries(retries, signal, () => load(version, weights, signal));
    },
    async reach(version, weights, signal) {
      await callWithRetries(retries, signal, async () => {
        const { version: served } = await client.describe({}, { signal, timeoutMs });
        if (Number(served) <= version) await load(version, weights, signal);
      });
    },
  };
}
