import { TerminalError, type TerminalCode } from '#platform/errors.ts';

/**
 * A request that is not answered: `reason` is what programs know it by (OpenAI's `error.code`), `param` the field that is wrong; both are in the
 * error's details.
 */
export function refusal(
  reason: string,
  message: string,
  param?: string,
  code: TerminalCode = 'invalid_argument',
): TerminalError {
  return new TerminalError(code, message, { details: { reason, param } });
}
