import type { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import type { GrpcClient } from '#shared/grpc/client.ts';
import { waitPatiently } from './wait-patiently.ts';
import type { Patience } from './wait-patiently.ts';

export type PolicyClient = GrpcClient<typeof PolicyService>;

/** The policy gateway, as a run uses it. */
export interface PolicySession {
  /** Returns when every engine serves `version`. */
  load(version: number, weightsPath: string, signal: AbortSignal): Promise<void>;
}

export function createPolicySession(client: PolicyClient, timeoutMs: number, patience: Patience): PolicySession {
  return {
    async load(version, weightsPath, signal) {
      await waitPatiently(patience, signal, () =>
        client.loadVersion({ version: BigInt(version), weightsPath }, { signal, timeoutMs }),
      );
    },
  };
}
