import { TransientError } from '#platform/errors.ts';
import { createHealthClient } from '#platform/grpc/health-client.ts';
import type { Health } from '#platform/grpc/health-client.ts';
import type { Security } from '#platform/security/security.ts';
import type { Ready } from '../child-service.ts';
import { askNats } from './ask-nats.ts';

/** How one process is asked whether it still answers. */
export interface Probe extends Disposable {
  /** TransientError when nothing answers within `timeoutMs`. */
  ask(timeoutMs: number): Promise<Health>;
}

/** By what the process serves: NATS greets and JetStream answers, everything else has the standard health service. */
export function probeService(
  { grpc, nats, service }: Pick<Ready, 'grpc' | 'nats' | 'service'>,
  security?: Security,
): Probe {
  if (nats !== undefined) {
    return {
      async ask(timeoutMs) {
        await askNats(nats, timeoutMs, security?.tls);
        return 'serving';
      },
      [Symbol.dispose]: () => undefined,
    };
  }
  if (grpc === undefined)
    throw new TransientError('unavailable', `${service} names neither a gRPC nor a NATS address in its ready line`);
  return createHealthClient(grpc, '', security);
}
