import type { ServiceName } from '../service-programs.ts';
import type { Face } from './reclaim-ports.ts';

/** Who is started with an address of whom, and which of its addresses that is. */
const holders: Partial<Record<ServiceName | 'nats', { readonly face: Face; readonly by: readonly ServiceName[] }>> = {
  nats: { face: 'nats', by: ['coordinator', 'rollout'] },
  'scripted-judge': { face: 'http', by: ['reward'] },
  engine: { face: 'grpc', by: ['policy'] },
  policy: { face: 'grpc', by: ['coordinator', 'rollout'] },
  retrieval: { face: 'grpc', by: ['rollout'] },
  reward: { face: 'grpc', by: ['coordinator', 'rollout'] },
  learner: { face: 'grpc', by: ['coordinator'] },
};

/** Services that have to be started again with the new addresses when these faces of `service` moved. */
export function dependantsOf(service: string, moved: readonly Face[]): readonly string[] {
  const found = Object.entries(holders).find(([name]) => name === service)?.[1];
  return found !== undefined && moved.includes(found.face) ? found.by : [];
}
