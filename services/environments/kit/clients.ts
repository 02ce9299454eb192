import type { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import type { UserCodeHost } from '#user-code/user-code-host.ts';

/** Services that an environment may stand on. */
export const needs = ['retrieval'] as const;
export type Need = (typeof needs)[number];

/** What an environment may use of the worker that plays it, opened when it is first asked for. */
export interface EnvironmentClients {
  /** Throws TerminalError where the address is not known. */
  retrieval(): GrpcClient<typeof RetrievalService>;
  /** What processes of users' code are started with. */
  userCode(): Promise<UserCodeHost>;
}
