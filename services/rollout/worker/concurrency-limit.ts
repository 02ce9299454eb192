import type { EngineLoad, GenerateResponse } from '#proto/policy/v1/policy_pb.ts';
import { errorFrom } from '#platform/errors.ts';
import { decideConcurrency, type ConcurrencyReason } from './decide-concurrency.ts';

export interface ConcurrencyLimitOptions {
  /** Bound of the limit, and where it starts. */
  readonly max: number;
  /** Least time between two decisions, in milliseconds. */
  readonly everyMs: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
  /** Tasks that the worker holds. */
  readonly held: () => number;
  readonly onChange: (limit: number, reason: ConcurrencyReason) => void;
}

export interface ConcurrencyLimit {
  readonly current: number;
  /** The same call, whose answers and refusals are heeded. */
  watch<A extends readonly unknown[]>(
    generate: (...args: A) => Promise<GenerateResponse>,
  ): (...args: A) => Promise<GenerateResponse>;
}

/** Listens to the engines through the answers that come anyway, and decides at most every `everyMs`. */
export function createConcurrencyLimit(options: ConcurrencyLimitOptions): ConcurrencyLimit {
  let limit = options.max;
  let decidedAtMs = options.now();
  let refused = 0;
  let latest: EngineLoad | undefined;
  let preemptionsBefore: bigint | undefined;

  function decide(): void {
    if (options.now() - decidedAtMs < options.everyMs) return;
    decidedAtMs = options.now();
    const preemptions = latest?.preemptions ?? 0n;
    // Fewer than before: an engine was restarted or left.
    const preempted = Math.max(0, Number(preemptions - (preemptionsBefore ?? preemptions)));
    preemptionsBefore = preemptions;
    const { waiting = 0, capacity = 0, kvUsedRatio = 0 } = latest ?? {};
    const next = decideConcurrency(
      { limit, held: options.held(), max: options.max },
      { waiting, capacity, kvUsedRatio, preempted, refused },
    );
    refused = 0;
    if (next.reason === undefined || next.limit === limit) return;
    limit = next.limit;
    options.onChange(limit, next.reason);
  }

  return {
    get current() {
      return limit;
    },
    watch:
      (generate) =>
      async (...args) => {
        try {
          const response = await generate(...args);
          latest = response.load ?? latest;
          return response;
        } catch (thrown) {
          if (errorFrom(thrown).code === 'resource_exhausted') refused += 1;
          throw thrown;
        } finally {
          decide();
        }
      },
  };
}
