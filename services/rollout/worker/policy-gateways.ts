import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import { createReplicatedClient } from '#platform/grpc/replicated-client.ts';
import type { ReplicasOptions } from '#platform/grpc/replicas.ts';

/** Replicas of the gateway as one. A session stays with one while that is up, since its engine is known there; tokenising goes round. */
export const createPolicyGateways = (options: Omit<ReplicasOptions<GrpcClient<typeof PolicyService>>, 'connect'>) =>
  createReplicatedClient(PolicyService, {
    ...options,
    keys: { generate: ({ sessionId }) => sessionId ?? '' },
  });
