import { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { CancelledError, TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import type { Security } from '#platform/security/security.ts';

const callMs = 5_000;
const lookMs = 250;

/**
 * Waits until the learner that the recipe names answers. Throws TransientError where it does not within `mostMs`, TerminalError where
 * something else answers there.
 */
export async function requireLearner(
  address: string,
  mostMs: number,
  signal: AbortSignal,
  security?: Security,
): Promise<void> {
  const client = createGrpcClient(LearnerService, address, { timeoutMs: callMs, security });
  try {
    const endMs = performance.now() + mostMs;
    for (;;) {
      try {
        await client.describe({}, { signal });
        return;
      } catch (thrown) {
        const error = errorFrom(thrown);
        if (error instanceof TerminalError)
          throw new TerminalError(
            'invalid_argument',
            `fleet.learner.address is ${address}, and what answers there is no learner that this fleet can use: ${error.message}`,
            { cause: error },
          );
        // A trainer that computes may leave one look unanswered; the next one asks again.
        if (error instanceof CancelledError && error.code === 'cancelled') throw error;
        if (performance.now() >= endMs)
          throw new TransientError(
            'unavailable',
            `fleet.learner.address is ${address}, and no learner answered there within ${mostMs} ms (${error.message}); ` +
              'start it first (your trainer, or gradus serve learner), or raise fleet.learner.start_timeout_ms',
            { cause: error },
          );
      }
      await sleep(lookMs, signal);
    }
  } finally {
    client.close();
  }
}
