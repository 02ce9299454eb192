import { createReadStream } from 'node:fs';
import { TerminalError, errorFrom } from '#shared/errors.ts';

export interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

/** A line longer than this is an error rather than a reason to run out of memory. */
export const maxLineBytes = 64 * 1024 * 1024;

const newline = 0x0a;

/**
 * The lines of a UTF-8 file, one at a time. Only "\n" ends a line (with or without "\r" before it): JSON strings may hold
 * the other line separators of Unicode. `onBytes` sees every byte of the file, in order.
 */
export async function* readLines(
  path: string,
  options: { readonly signal?: AbortSignal; readonly onBytes?: (bytes: Uint8Array) => void } = {},
): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let number = 0;

  const finishLine = (tail: Buffer): Line => {
    number += 1;
    const bytes = pending.length === 0 ? tail : Buffer.concat([...pending, tail]);
    pending = [];
    pendingBytes = 0;
    try {
      const text = decoder.decode(bytes);
      return { text: text.endsWith('\r') ? text.slice(0, -1) : text, number };
    } catch (cause) {
      throw new TerminalError('invalid_argument', `${path}:${number}: not valid UTF-8; save the file as UTF-8`, {
        cause,
      });
    }
  };

  const stream = createReadStream(path, {
    highWaterMark: 1024 * 1024,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      options.onBytes?.(chunk);
      let start = 0;
      for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
        yield finishLine(chunk.subarray(start, end));
        start = end + 1;
      }
      if (start === chunk.length) continue;
      pending.push(chunk.subarray(start));
      pendingBytes += chunk.length - start;
      if (pendingBytes > maxLineBytes) {
        throw new TerminalError(
          'invalid_argument',
          `${path}:${number + 1}: the line is longer than ${maxLineBytes} bytes; one JSON object per line is expected`,
        );
      }
    }
  } catch (thrown) {
    throw named(path, thrown);
  }
  if (pending.length > 0) yield finishLine(Buffer.alloc(0));
}

function named(path: string, thrown: unknown): Error {
  const error = errorFrom(thrown);
  if (!(error instanceof TerminalError) || error.message.startsWith(path)) return error;
  if (error.code === 'not_found') {
    return new TerminalError('not_found', `${path}: there is no such file; check the path of the corpus`, {
      cause: thrown,
    });
  }
  const code = error.code === 'internal' ? 'invalid_argument' : error.code;
  return new TerminalError(code, `${path}: cannot be read (${error.message})`, { cause: thrown });
}
