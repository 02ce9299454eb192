import { resolve } from 'node:path';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import { submissionContract } from '#submission/contract.ts';
import { createCoordinators, type Coordinators } from '../run/coordinators.ts';

export interface Server extends Coordinators {
  readonly address: string;
  /** Recipe that its fleet was started for; empty where it takes none. */
  readonly recipePath: string;
}

const callTimeoutMs = 60_000;
const answerMs = 10_000;

export interface ServerAccess {
  /** `host:port`. */
  readonly server: string;
  /** Directory of `gradus credentials init`; absent: the connection is plain. */
  readonly credentials?: string | undefined;
}

/** What a hint must repeat to reach the same server. */
export function accessFlags({ server, credentials }: ServerAccess): string {
  return ` --server ${server}${credentials === undefined ? '' : ` --credentials ${credentials}`}`;
}

/** A coordinator elsewhere that was asked whether we understand each other. */
export async function connectServer({ server: address, credentials }: ServerAccess): Promise<Server> {
  const security = await openOperator(credentials && resolve(credentials));
  const client = createGrpcClient(CoordinatorService, address, { timeoutMs: callTimeoutMs, security });
  try {
    const described = await client.describeFleet({}, { timeoutMs: answerMs });
    if (described.contract !== submissionContract)
      throw new TerminalError(
        'failed_precondition',
        `the server at ${address} is Gradus ${described.version} with contract ${described.contract}, and this program has ${submissionContract}; use the program of the server's version`,
      );
    const coordinators = createCoordinators([client]);
    return {
      address,
      recipePath: described.recipePath,
      get current() {
        return coordinators.current;
      },
      next: () => coordinators.next(),
      ask: (call) => coordinators.ask(call),
      close: () => coordinators.close(),
    };
  } catch (thrown) {
    client.close();
    throw unanswered(address, security !== undefined, thrown);
  }
}

function unanswered(address: string, isSecured: boolean, thrown: unknown): Error {
  const error = errorFrom(thrown);
  if (error.code === 'unimplemented')
    return new TerminalError(
      'failed_precondition',
      `what answers at ${address} is no coordinator, or one of an earlier version that takes no submissions; 'gradus status' next to the fleet shows the address of its coordinator`,
      { cause: error },
    );
  if (error.code === 'unavailable' || error.code === 'deadline_exceeded')
    return new TransientError(
      'unavailable',
      `no server answers at ${address} (${error.message}); is the fleet up, does its coordinator listen there, and ${isSecured ? 'is it of these certificates' : 'does it want certificates (--credentials)'}?`,
      { cause: error },
    );
  return error;
}
