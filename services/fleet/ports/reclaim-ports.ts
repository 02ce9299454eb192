import { TransientError } from '#platform/errors.ts';
import type { Ready } from '../child-service.ts';
import { findTaken } from './port-holder.ts';
import type { ServiceName } from '../service-programs.ts';

const protocols = ['grpc', 'metrics', 'http', 'nats'] as const;
export type Protocol = (typeof protocols)[number];
export type Addresses = Partial<Record<Protocol, string | undefined>>;

/** Starts that wait for the old port, with the supervisor's growing pauses between them: 3 s. */
const startsAtOldPort = 4;

export interface PortClaim {
  /** Where the next process is to serve; `127.0.0.1:0` in place of a port that stays taken. */
  claim(at: Ready | undefined): Promise<Addresses>;
}

/**
 * A service comes back at its old addresses, because others hold them. When another process has taken one meanwhile, the first
 * starts fail with its name, and then the service moves to a free port.
 */
export function createPortClaim(label: string): PortClaim {
  let refused = 0;
  return {
    async claim(at) {
      const old = Object.fromEntries(
        protocols.flatMap((protocol) => (at?.[protocol] === undefined ? [] : [[protocol, at[protocol]]])),
      );
      const taken = await findTaken(Object.values(old));
      if (taken.length === 0) {
        refused = 0;
        return old;
      }
      refused += 1;
      if (refused < startsAtOldPort) {
        const ports = taken.map(({ address, holder }) => `${address} (${holder} has it)`).join(', ');
        throw new TransientError('unavailable', `${label} cannot listen on its old port: ${ports}`);
      }
      refused = 0;
      const gone = new Set(taken.map(({ address }) => address));
      return Object.fromEntries(
        Object.entries(old).map(([protocol, address]) => [protocol, gone.has(address) ? '127.0.0.1:0' : address]),
      );
    },
  };
}

/** What moved between two starts: protocol, old and new address. */
export function movesBetween(before: Addresses, after: Addresses): { protocol: Protocol; from: string; to: string }[] {
  return protocols.flatMap((protocol) => {
    const [from, to] = [before[protocol], after[protocol]];
    return from === undefined || to === undefined || from === to ? [] : [{ protocol, from, to }];
  });
}

/** Who is started with an address of whom, and which of its addresses that is. */
const holders: Partial<
  Record<ServiceName | 'nats', { readonly protocol: Protocol; readonly by: readonly ServiceName[] }>
> = {
  nats: { protocol: 'nats', by: ['coordinator', 'rollout'] },
  'scripted-judge': { protocol: 'http', by: ['reward'] },
  engine: { protocol: 'grpc', by: ['policy'] },
  policy: { protocol: 'grpc', by: ['coordinator', 'rollout'] },
  retrieval: { protocol: 'grpc', by: ['rollout'] },
  reward: { protocol: 'grpc', by: ['coordinator', 'rollout'] },
  learner: { protocol: 'grpc', by: ['coordinator'] },
};

/** Services that have to be started again with the new addresses when these protocols of `service` moved. */
export function dependantsOf(service: string, moved: readonly Protocol[]): readonly string[] {
  const found = Object.entries(holders).find(([name]) => name === service)?.[1];
  return found !== undefined && moved.includes(found.protocol) ? found.by : [];
}
