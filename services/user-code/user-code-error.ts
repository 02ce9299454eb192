import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';

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

/** Whether what was thrown is a mistake of the code that threw it: no lost connection, and no wait that was cut off. */
export function isFault(thrown: unknown): boolean {
  const { cause } = Object(thrown) as { readonly cause?: unknown };
  // fetch reports a lost connection by a TypeError with the system's error behind it.
  if (cause instanceof Error && errorFrom(cause) instanceof TransientError) return false;
  return errorFrom(thrown) instanceof TerminalError;
}
