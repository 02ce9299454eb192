import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { TransientError, errorFrom } from '#shared/errors.ts';
import { createGrpcClient } from '#shared/grpc/client.ts';
import type { GrpcClient } from '#shared/grpc/client.ts';
import type { FleetFile } from '../fleet/fleet-file.ts';

export type CoordinatorClient = GrpcClient<typeof CoordinatorService>;

/** The coordinators of a fleet. Any of them answers for any run, so the one that answers is asked. */
export interface Coordinators {
  readonly current: CoordinatorClient;
  /** The current one did not answer. */
  next(): void;
  /** The answer of the first that gives one. */
  ask<T>(call: (client: CoordinatorClient) => Promise<T>): Promise<T>;
  close(): void;
}

function createCoordinators(clients: readonly CoordinatorClient[]): Coordinators {
  let index = 0;
  const current = (): CoordinatorClient => {
    const client = clients[index % clients.length];
    if (client === undefined)
      throw new TransientError('unavailable', 'the fleet has no coordinator yet; try again in a moment');
    return client;
  };
  return {
    get current() {
      return current();
    },
    next() {
      index += 1;
    },
    async ask(call) {
      for (let tries = 1; ; tries++) {
        try {
          return await call(current());
        } catch (thrown) {
          const { code } = errorFrom(thrown);
          if (tries >= clients.length || (code !== 'unavailable' && code !== 'deadline_exceeded')) throw thrown;
          index += 1;
        }
      }
    },
    close() {
      for (const client of clients) client.close();
    },
  };
}

/** Clients of the coordinators that a fleet file names. `timeoutMs` bounds a call to one of them. */
export function fleetCoordinators(file: FleetFile | undefined, timeoutMs: number): Coordinators {
  const services = file?.services.filter(({ service }) => service === 'coordinator') ?? [];
  const addresses = services.flatMap(({ grpc }) => (grpc === undefined ? [] : [grpc]));
  return createCoordinators(addresses.map((address) => createGrpcClient(CoordinatorService, address, { timeoutMs })));
}
