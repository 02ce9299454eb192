import {
  CancelledError,
  TerminalError,
  TransientError,
  errorFrom,
  isGradusError,
  type GradusError,
} from '#platform/errors.ts';

type Make = (message: string, cause: unknown) => GradusError;

/** LanceDB has no error codes, only messages; the first that fits says what happened. */
const patterns: readonly (readonly [RegExp, Make])[] = [
  [/query timeout after/i, (message, cause) => new CancelledError('deadline_exceeded', message, { cause })],
  [
    /access ?denied|forbidden|invalidaccesskeyid|signaturedoesnotmatch|missing credentials|unauthenticated|permission denied/i,
    (message, cause) => new TerminalError('permission_denied', message, { cause }),
  ],
  [
    /nosuchbucket|table .*was not found|dataset at path .* not found|not found: .*_versions/i,
    (message, cause) => new TerminalError('failed_precondition', message, { cause }),
  ],
  [
    /error sending request|connection (refused|reset)|slow ?down|service ?unavailable|too many requests|dns error|after \d+ retries/i,
    (message, cause) => new TransientError('unavailable', message, { cause, retryAfterMs: 1_000 }),
  ],
];

/** Wrappings and places in LanceDB's own source, which say nothing to who reads the message. */
const noise = /Failed to get next batch from stream: |lance error: |LanceError\(\w+\): |, \/[^\s,]+\.rs:\d+:\d+/g;
const mostCharacters = 500;

/** An error of the native library in this project's families; `where` is the database's URI. */
export function lancedbError(thrown: unknown, where: string): GradusError {
  if (isGradusError(thrown) || !(thrown instanceof Error)) return errorFrom(thrown);
  const [first = ''] = thrown.message.split('\n', 1);
  const message = `${where}: ${first.replace(noise, '')}`.slice(0, mostCharacters);
  for (const [pattern, make] of patterns) if (pattern.test(thrown.message)) return make(message, thrown);
  return new TerminalError('internal', message, { cause: thrown });
}
