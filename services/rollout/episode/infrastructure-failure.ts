import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { TerminalError, type GradusError } from '#platform/errors.ts';

export type InfrastructureClass =
  | typeof FailureClass.POLICY_UNAVAILABLE
  | typeof FailureClass.TOOL_UNAVAILABLE
  | typeof FailureClass.REWARD_UNAVAILABLE
  | typeof FailureClass.ROLLOUT_TIMEOUT
  | typeof FailureClass.INTERNAL;

/**
 * The platform failed, not the policy: the rollout is retried elsewhere or reported as absent, and never gets a reward.
 * `retryable` is false when the same task must fail everywhere.
 */
export class InfrastructureFailure extends Error {
  override readonly name = 'InfrastructureFailure';
  readonly failure: InfrastructureClass;
  readonly retryable: boolean;

  constructor(
    failure: InfrastructureClass,
    message: string,
    options?: { readonly cause?: unknown; readonly retryable?: boolean },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.failure = failure;
    this.retryable = options?.retryable ?? true;
  }
}

/** A fault of one process may not be one of another; a refused request is refused everywhere. */
export function infrastructureFailureFrom(
  failure: InfrastructureClass,
  what: string,
  error: GradusError,
): InfrastructureFailure {
  if (!(error instanceof TerminalError))
    return new InfrastructureFailure(failure, `${what}: ${error.message}`, { cause: error });
  return new InfrastructureFailure(FailureClass.INTERNAL, `${what}: ${error.message}`, {
    cause: error,
    retryable: error.code === 'internal' || error.code === 'data_loss',
  });
}
