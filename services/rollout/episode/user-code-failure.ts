import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { describeThrown, isFault } from '#user-code/user-code-error.ts';
import { isGradusError } from '#platform/errors.ts';

export type UserCodeClass =
  | typeof FailureClass.USER_ENVIRONMENT
  | typeof FailureClass.USER_SCORER
  | typeof FailureClass.POLICY_REFUSED;

/** Code of the recipe's own threw, or what it names refuses: neither the platform's fault nor the policy's. The run ends with it, and no try is repeated. */
export class UserCodeFailure extends Error {
  override readonly name = 'UserCodeFailure';
  readonly failure: UserCodeClass;

  constructor(failure: UserCodeClass, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.failure = failure;
  }
}

/** What was meant by an exception that has been wrapped on its way. */
export function userCodeFailureOf(thrown: unknown): UserCodeFailure | undefined {
  if (thrown instanceof UserCodeFailure) return thrown;
  return thrown instanceof Error && thrown.cause instanceof UserCodeFailure ? thrown.cause : undefined;
}

/**
 * Runs code of an environment. Errors of the kit, connections that failed and waits that were cut off come out as they are; everything
 * else is a fault of that code, and says where it happened.
 */
export async function ofEnvironment<T>(name: string, what: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    if (isGradusError(thrown) || !isFault(thrown)) throw thrown;
    const message = `environment ${name}, ${what}: ${describeThrown(thrown)}`;
    throw new UserCodeFailure(FailureClass.USER_ENVIRONMENT, message, { cause: thrown });
  }
}
