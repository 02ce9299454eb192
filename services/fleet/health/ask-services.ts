import { TransientError, errorFrom } from '#platform/errors.ts';
import { stateOf } from '#platform/runtime/process-identity.ts';
import type { FleetFile } from '../fleet-file.ts';
import { probeService } from './probe-service.ts';

type FleetService = FleetFile['services'][number];

/** `silent`: its process lives and does not answer. */
export type ServiceState = 'up' | 'not serving' | 'silent' | 'down';

const answerMs = 3_000;

/** Asks all services of a fleet at once, each within 3 s. By label. */
export async function askServices({
  services,
  processes,
}: Pick<FleetFile, 'services' | 'processes'>): Promise<ReadonlyMap<string, ServiceState>> {
  // Of a process in another namespace (a container) it is not known whether it lives: it is asked.
  const living = new Set(processes.filter((each) => stateOf(each) !== 'gone').map(({ pid }) => pid));
  const states = await Promise.all(
    services.map(
      async (service) => [service.label, living.has(service.pid) ? await askService(service) : 'down'] as const,
    ),
  );
  return new Map(states);
}

async function askService(service: FleetService): Promise<ServiceState> {
  try {
    using probe = probeService(service);
    return (await probe.ask(answerMs)) === 'serving' ? 'up' : 'not serving';
  } catch (thrown) {
    if (!(errorFrom(thrown) instanceof TransientError)) throw thrown;
    return 'silent';
  }
}

/** Why the runs of a fleet cannot be asked about; undefined when they can. */
export function unanswered(fleet: FleetFile, states: ReadonlyMap<string, ServiceState>): TransientError | undefined {
  const without = (service: string): FleetService[] | undefined => {
    const all = fleet.services.filter((each) => each.service === service);
    const answering = all.some(({ label }) => ['up', 'not serving'].includes(states.get(label) ?? ''));
    return all.length > 0 && !answering ? all : undefined;
  };
  const nats = without('nats');
  if (nats !== undefined) return silenceOf('NATS', nats, 'nats', fleet, states);
  const coordinators = without('coordinator');
  return coordinators && silenceOf('the coordinator', coordinators, 'grpc', fleet, states);
}

function silenceOf(
  name: string,
  services: readonly FleetService[],
  protocol: 'nats' | 'grpc',
  fleet: FleetFile,
  states: ReadonlyMap<string, ServiceState>,
): TransientError {
  const where = services.map((each) => `${each[protocol] ?? ''} (process ${each.pid})`).join(', ');
  const isDown = services.every(({ label }) => states.get(label) === 'down');
  return new TransientError(
    'unavailable',
    `${name} ${isDown ? 'does not run' : 'does not answer'} at ${where}, so the state of the runs is unknown; the fleet starts it again by itself, unless it is stopping. ` +
      `When that takes longer than a minute, read ${fleet.logs}, end the fleet with 'gradus stop', and 'gradus resume' its run`,
  );
}
