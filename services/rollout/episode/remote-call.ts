import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { errorFrom, type ErrorCode } from '#platform/errors.ts';
import type { EpisodePorts, RolloutWaits } from './episode-ports.ts';
import {
  InfrastructureFailure,
  infrastructureFailureFrom,
  type InfrastructureClass,
} from './infrastructure-failure.ts';
import { retryInPlace } from './retry-in-place.ts';
import { UserCodeFailure, userCodeFailureOf } from './user-code-failure.ts';

export interface RemoteCall {
  readonly failure: InfrastructureClass;
  readonly what: string;
  /** Codes by which the other side says that every such call is refused. */
  readonly refusals?: readonly ErrorCode[];
  readonly wait: Parameters<RolloutWaits['begin']>[0];
}

/** Runs one remote call with the budget for retries in place; what still fails is named by its class. */
export async function callRemote<T>(
  { retries, events, waits }: Pick<EpisodePorts, 'retries' | 'events' | 'waits'>,
  { failure, what, wait, refusals = [] }: RemoteCall,
  signal: AbortSignal,
  fn: () => Promise<T>,
): Promise<T> {
  const watched = waits.begin(wait);
  try {
    return await retryInPlace(fn, retries, signal, (error) => events.callRetried(failure, error));
  } catch (thrown) {
    if (thrown instanceof InfrastructureFailure) throw thrown;
    const ofUser = userCodeFailureOf(thrown);
    if (ofUser !== undefined) throw ofUser;
    const error = errorFrom(thrown);
    if (refusals.includes(error.code))
      throw new UserCodeFailure(FailureClass.POLICY_REFUSED, `${what}: ${error.message}`, { cause: error });
    throw infrastructureFailureFrom(failure, what, error);
  } finally {
    watched[Symbol.dispose]();
  }
}
