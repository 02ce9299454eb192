import { z } from 'zod';
import { UserCodeError } from '#user-code/user-code-error.ts';

/** What a process of users' code says of an exception, with the place in the user's files that is nearest to where it was thrown. */
export const threwReply = z.object({
  id: z.int(),
  threw: z.object({
    type: z.string(),
    message: z.string(),
    file: z.string(),
    /** From 1. */
    line: z.int().nullable(),
    trace: z.string(),
  }),
});
export type Threw = z.output<typeof threwReply>['threw'];

export function errorOfThrew(what: string, { type, message, file, line, trace }: Threw): UserCodeError {
  const place = line === null ? file : `${file}:${line}`;
  return new UserCodeError(`${what} threw ${type}: ${message} (${place})`, {
    file,
    trace,
    ...(line !== null && { line }),
  });
}
