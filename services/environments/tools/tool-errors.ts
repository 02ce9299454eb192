import { UserCodeError } from '#user-code/user-code-error.ts';
import { z } from 'zod';

/** Somebody has to look at servers, files or options before the run goes on. */
export function setUpWrong(message: string, cause?: unknown): UserCodeError {
  // Where we noticed it helps nobody.
  const error = new UserCodeError(message, { trace: message });
  if (cause !== undefined) error.cause = cause;
  return error;
}

/** In the `_meta` of a result: what a tool of a user's file threw. */
export const threwKey = 'gradus/threw';

export const threwOf = z.object({
  message: z.string(),
  file: z.string(),
  line: z.int().exactOptional(),
  trace: z.string(),
});
export type Threw = z.output<typeof threwOf>;
