import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import type { FleetFile } from '#fleet/fleet-file.ts';

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

/** Asks the first of `clients`, and the next one when it does not answer; `refresh` gives those that there are by then. */
export function createCoordinators(
  clients: readonly CoordinatorClient[],
  refresh?: () => Promise<readonly CoordinatorClient[]>,
): Coordinators {
  const all = new Set(clients);
  let known = clients;
  let index = 0;
  function current(): CoordinatorClient {
    const client = known[index % known.length];
    if (client === undefined)
      throw new TransientError('unavailable', 'the fleet has no coordinator yet; try again in a moment');
    return client;
  }
  function next(): void {
    index += 1;
    refresh?.().then(
      (fresh) => {
        for (const client of fresh) all.add(client);
        if (fresh.length > 0) known = fresh;
      },
      // The file is being replaced or is gone: what was known stays.
      () => undefined,
    );
  }
  return {
    get current() {
      return current();
    },
    next,
    async ask(call) {
      for (let tries = 1; ; tries++) {
        try {
          return await call(current());
        } catch (thrown) {
          const { code } = errorFrom(thrown);
          if (code !== 'unavailable' && code !== 'deadline_exceeded') throw thrown;
          next();
          if (tries >= known.length) throw thrown;
        }
      }
    },
    close() {
      for (const client of all) client.close();
    },
  };
}

export interface FleetCallOptions {
  /** Asked when a coordinator does not answer: one that was started again may have another address. */
  readonly reread?: () => Promise<FleetFile | undefined>;
  /** As long as new certificates of the fleet are looked for; absent: the present ones are enough. */
  readonly signal?: AbortSignal;
}

/** Clients of the coordinators that a fleet file names, with its credentials. `timeoutMs` bounds a call to one of them. */
export async function fleetCoordinators(
  file: FleetFile | undefined,
  timeoutMs: number,
  { reread, signal }: FleetCallOptions = {},
): Promise<Coordinators> {
  const security = await openOperator(file?.credentials, { signal });
  const byAddress = new Map<string, CoordinatorClient>();
  const clientsOf = (named: FleetFile | undefined): readonly CoordinatorClient[] =>
    addressesOf(named).map((address) => {
      const client = byAddress.get(address) ?? createGrpcClient(CoordinatorService, address, { timeoutMs, security });
      byAddress.set(address, client);
      return client;
    });
  return createCoordinators(clientsOf(file), reread && (async () => clientsOf(await reread())));
}

function addressesOf(file: FleetFile | undefined): readonly string[] {
  const services = file?.services.filter(({ service }) => service === 'coordinator') ?? [];
  return services.flatMap(({ grpc }) => (grpc === undefined ? [] : [grpc]));
}
