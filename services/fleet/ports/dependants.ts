import type { ServiceName } from '../service-programs.ts';
import type { Protocol } from './reclaim-ports.ts';

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
