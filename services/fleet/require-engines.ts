import { EngineState } from '#proto/policy/v1/policy_pb.ts';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { createGrpcClient, type GrpcClient } from '#platform/grpc/client.ts';
import type { Security } from '#platform/security/security.ts';
import { isName } from '#platform/grpc/follow-names.ts';

type Gateway = Pick<GrpcClient<typeof PolicyService>, 'describe'>;

const mostMs = 30_000;
const lookMs = 250;

/**
 * Waits until a gateway uses every one of these engines, which run already; of names only that one engine is up. Throws TransientError with
 * what the gateway met at those that it does not use.
 */
export async function requireEngines(
  policy: string,
  addresses: readonly string[],
  signal: AbortSignal,
  security?: Security,
): Promise<void> {
  if (addresses.length === 0) return;
  const client = createGrpcClient(PolicyService, policy, { timeoutMs: mostMs, security });
  try {
    const endMs = performance.now() + mostMs;
    for (;;) {
      const problems = await problemsOf(client, addresses, signal);
      if (problems.length === 0) return;
      if (performance.now() >= endMs)
        throw new TransientError(
          'unavailable',
          [
            'fleet.engine.addresses names engines that cannot be used; start them first, or leave them out:',
            ...problems.map((problem) => `  ${problem}`),
          ].join('\n'),
        );
      await sleep(lookMs, signal);
    }
  } finally {
    client.close();
  }
}

async function problemsOf(client: Gateway, addresses: readonly string[], signal: AbortSignal): Promise<string[]> {
  try {
    const { engineList } = await client.describe({}, { signal });
    return addresses
      .filter((address) => !isName(address))
      .flatMap((address) => {
        const found = engineList.find((each) => each.address === address);
        return found?.state === EngineState.UP ? [] : [`${address}: ${found?.problem ?? 'it is not known'}`];
      });
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (!(error instanceof TransientError)) throw error;
    return [error.message];
  }
}
