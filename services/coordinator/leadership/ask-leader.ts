import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { CancelledError, TransientError, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import type { CallOptions, GrpcClient } from '#platform/grpc/client.ts';
import type { LeaseView } from '#platform/nats/lease.ts';
import type { Security } from '#platform/security/security.ts';

/** A leader that is frozen still holds its lease for a while; nobody waits for it longer than that. */
const answerMs = 2_000;

type Ask<T> = (client: GrpcClient<typeof CoordinatorService>, options: CallOptions) => Promise<T>;

/** Asks the coordinator that leads a run; undefined when it does not answer, which is how a leader looks that has died. */
export async function askLeader<T>(
  lease: LeaseView,
  security: Security | undefined,
  signal: AbortSignal,
  ask: Ask<T>,
): Promise<T | undefined> {
  const client = createGrpcClient(CoordinatorService, lease.address, { timeoutMs: answerMs, security });
  try {
    return await ask(client, { signal });
  } catch (thrown) {
    throwIfCancelled(signal);
    const error = errorFrom(thrown);
    if (error instanceof TransientError || error instanceof CancelledError) return undefined;
    throw error;
  } finally {
    client.close();
  }
}
