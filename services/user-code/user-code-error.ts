import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { inspect } from 'node:util';

/** A user's own code threw, or did what it may not: somebody has to look at it before the run goes on. */
export class UserCodeError extends Error {
  override readonly name = 'UserCodeError';
  readonly file: string | undefined;
  /** From 1. */
  readonly line: number | undefined;

  /** `trace` stands in the place of the error's own stack, which says nothing of a process of users' code. */
  constructor(message: string, at: { readonly file?: string; readonly line?: number; readonly trace?: string } = {}) {
    super(message);
    this.file = at.file;
    this.line = at.line;
    if (at.trace !== undefined) this.stack = at.trace;
  }
}

/** A fault of the user's in the words that say it: the place where it was noticed is ours, and helps nobody. */
export function faultInWords(message: string, cause?: unknown): UserCodeError {
  const error = new UserCodeError(message, { trace: message });
  if (cause !== undefined) error.cause = cause;
  return error;
}

/** Whether what was thrown is a mistake of the code that threw it: no lost connection, and no wait that was cut off. */
export function isFault(thrown: unknown): boolean {
  const { cause } = Object(thrown) as { readonly cause?: unknown };
  // fetch reports a lost connection by a TypeError with the system's error behind it.
  if (cause instanceof Error && errorFrom(cause) instanceof TransientError) return false;
  return errorFrom(thrown) instanceof TerminalError;
}

/** `TypeError: x is not a function at /path/mine.ts:12:5`. */
export function describeThrown(thrown: unknown): string {
  if (thrown instanceof UserCodeError) return `${thrown.message}${placeOf(thrown)}`;
  if (!(thrown instanceof Error)) return `${inspect(thrown).slice(0, 200)} was thrown, which is not an Error`;
  const stack = thrown.stack?.split('\n') ?? [];
  const frame = stack
    .map((line) => /(?:^|[\s(])((?:file:\/\/)?\/[^\s()]+:\d+(?::\d+)?)\)?$/.exec(line)?.[1])
    .find((found) => found !== undefined);
  const place = frame === undefined ? '' : ` at ${frame.replace('file://', '').replace(/\?changed=[\d.]*/, '')}`;
  return `${thrown.name}: ${thrown.message.slice(0, 300)}${place}`;
}

function placeOf({ file, line, message }: UserCodeError): string {
  return file === undefined || message.includes(file) ? '' : ` at ${file}${line === undefined ? '' : `:${line}`}`;
}
