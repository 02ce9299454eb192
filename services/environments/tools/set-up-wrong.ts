import { UserCodeError } from '#user-code/user-code-error.ts';

/** Somebody has to look at servers, files or options before the run goes on. */
export function setUpWrong(message: string, cause?: unknown): UserCodeError {
  // Where we noticed it helps nobody.
  const error = new UserCodeError(message, { trace: message });
  if (cause !== undefined) error.cause = cause;
  return error;
}
