import { createHash } from 'node:crypto';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { CancelledError, TransientError, errorFrom } from '#platform/errors.ts';
import { createGrpcClient, type GrpcClient } from '#platform/grpc/client.ts';
import { createAdaptiveTimeout } from '#platform/grpc/adaptive-timeout.ts';

type Client = GrpcClient<typeof PolicyService>;

export interface PolicyGatewayOptions {
  readonly addresses: readonly string[];
  readonly timeoutMs: number;
  /** Time between two looks at a gateway, and how long one may take to answer, in milliseconds. */
  readonly probeIntervalMs: number;
  readonly probeTimeoutMs: number;
  readonly onDown: (address: string, error: Error) => void;
}

export interface PolicyGateways extends Pick<Client, 'generate' | 'tokenize'> {
  close(): void;
}

interface Gateway {
  readonly client: Client;
  readonly address: string;
  up: boolean;
  /** Aborted when it is taken for dead, so that what it works on is asked of another at once; then replaced. */
  life: AbortController;
}

const PROBE_FAILURES = 2;
const MAX_PROBE_TIMEOUT_MS = 15_000;

/**
 * Replicas of the gateway as one. A session stays with one while that answers, since its engine is known there; one that
 * dies or freezes loses its calls to the others. With a single address nothing is probed: there is nowhere else to go.
 */
export function createPolicyGateways(options: PolicyGatewayOptions): PolicyGateways {
  const over = new AbortController();
  const gateways = options.addresses.map((address): Gateway => ({
    client: createGrpcClient(PolicyService, address, { timeoutMs: options.timeoutMs }),
    address,
    up: true,
    life: new AbortController(),
  }));

  function setDown(gateway: Gateway, error: Error): void {
    if (gateway.up) options.onDown(gateway.address, error);
    gateway.up = false;
  }

  async function watch(gateway: Gateway): Promise<void> {
    const adaptive = createAdaptiveTimeout({ baseMs: options.probeTimeoutMs, maxMs: MAX_PROBE_TIMEOUT_MS });
    for (let missed = 0; !over.signal.aborted;) {
      const startedMs = performance.now();
      try {
        // Nothing to tokenise: answered by the gateway alone, whatever its engines do.
        await gateway.client.tokenize({}, { timeoutMs: adaptive.timeoutMs, signal: over.signal });
        adaptive.answered(performance.now() - startedMs);
        missed = 0;
        gateway.up = true;
      } catch (thrown) {
        const error = errorFrom(thrown);
        missed += 1;
        if (missed >= PROBE_FAILURES && gateway.up && !over.signal.aborted) {
          setDown(gateway, error);
          gateway.life.abort(
            new TransientError('unavailable', `gateway ${gateway.address} does not answer`, { cause: error }),
          );
          gateway.life = new AbortController();
        }
      }
      await sleep(options.probeIntervalMs, over.signal).catch(() => undefined);
    }
  }

  /** The one that a key belongs to among those that are up (highest hash wins), so that few move when one leaves. */
  function choose(key: string): Gateway {
    const up = gateways.filter((gateway) => gateway.up);
    const ranked = (up.length > 0 ? up : gateways).map((gateway) => ({
      gateway,
      rank: gateways.length === 1 ? '' : createHash('sha1').update(`${gateway.address}\n${key}`).digest('hex'),
    }));
    const best = ranked.reduce((left, right) => (right.rank > left.rank ? right : left));
    return best.gateway;
  }

  async function call<T>(
    key: string,
    signal: AbortSignal | undefined,
    run: (client: Client, signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    const gateway = choose(key);
    if (gateways.length === 1) return await run(gateway.client, signal);
    const { life } = gateway;
    try {
      return await run(gateway.client, signal === undefined ? life.signal : AbortSignal.any([signal, life.signal]));
    } catch (thrown) {
      const error = errorFrom(thrown);
      const dropped = error instanceof CancelledError && error.code === 'cancelled' && signal?.aborted !== true;
      if (dropped || error.code === 'unavailable') setDown(gateway, error);
      // The retry in place goes to another one.
      throw dropped
        ? new TransientError('unavailable', `gateway ${gateway.address} dropped the call`, { cause: error })
        : error;
    }
  }

  if (gateways.length > 1) for (const gateway of gateways) void watch(gateway);
  let tokenised = 0;
  return {
    generate: (request, callOptions) =>
      call(request.sessionId ?? '', callOptions?.signal, (client, signal) =>
        client.generate(request, { ...callOptions, signal }),
      ),
    // No session ties tokenising to a gateway: each call goes to the next one that its number hashes to.
    tokenize: (request, callOptions) =>
      call(String((tokenised += 1)), callOptions?.signal, (client, signal) =>
        client.tokenize(request, { ...callOptions, signal }),
      ),
    close() {
      over.abort();
      for (const { client } of gateways) client.close();
    },
  };
}
