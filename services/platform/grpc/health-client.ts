/** Asks the standard health service of any gRPC server. A question that is answered, whatever with, shows that the process is not stuck. */
import { Client, status as Status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { z } from 'zod';
import { TransientError } from '../errors.ts';
import type { Security } from '../security/security.ts';
import { channelSecurity } from './channel-security.ts';

export type Health = 'serving' | 'not_serving';

export interface HealthClient extends Disposable {
  /** TransientError when nothing answers within `timeoutMs`. */
  ask(timeoutMs: number): Promise<Health>;
}

/** The library gives the number or the name, by its own options. */
const servingSchema = z.object({ status: z.union([z.literal('SERVING'), z.literal(1)]) });

/** These come from our own side of the connection: the process said nothing. */
const silent: readonly Status[] = [Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.CANCELLED, Status.INTERNAL];

/**
 * `address` as `host:port`. `name` is a service's, or '' for the whole server. With certificates anyone of our authority may answer: what is
 * learned is whether somebody does.
 */
export function createHealthClient(address: string, name = '', security?: Security): HealthClient {
  const secured = channelSecurity(security, undefined);
  const client = new Client(address, secured.credentials, {
    ...secured.options,
    'grpc.enable_http_proxy': 0,
    // Not the connection that callers share: theirs may be full of calls.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.min_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': 1_000,
  });
  const { Check: check } = healthService;
  if (check === undefined) throw new TypeError('grpc-health-check declares no method Check');
  return {
    ask(timeoutMs) {
      return new Promise((resolve, reject) => {
        const answered = (error: ServiceError | null, response?: unknown): void => {
          if (error === null) resolve(servingSchema.safeParse(response).success ? 'serving' : 'not_serving');
          else if (silent.includes(error.code)) reject(noAnswer(address, error));
          // A server without a health service, or without this name: it lives.
          else resolve('serving');
        };
        const deadline = Date.now() + timeoutMs;
        client.makeUnaryRequest<object, unknown>(
          check.path,
          check.requestSerialize,
          check.responseDeserialize,
          { service: name },
          { deadline },
          answered,
        );
      });
    },
    [Symbol.dispose]: () => client.close(),
  };
}

function noAnswer(address: string, cause: ServiceError): TransientError {
  const what = cause.code === Status.DEADLINE_EXCEEDED ? 'does not answer' : `cannot be asked (${cause.details})`;
  return new TransientError('unavailable', `${address} ${what}`, { cause });
}
