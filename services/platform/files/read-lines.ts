import { createReadStream } from 'node:fs';
import { TerminalError } from '../errors.ts';
import { fileError } from './file-error.ts';

interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

/** A line longer than this is an error rather than a reason to run out of memory. */
const maxLineBytes = 64 * 1024 * 1024;

export interface ReadLinesOptions {
  readonly signal?: AbortSignal | undefined;
  /** Sees every byte of the file, in order. */
  readonly onBytes?: ((bytes: Uint8Array) => void) | undefined;
  /** Takes lines that are too long or not UTF-8; they are left out then. Without it they end the reading. */
  readonly onBadLine?: ((error: TerminalError, number: number) => void) | undefined;
  /** Read in place of a file, for example standard input; `path` is then only its name in messages. */
  readonly input?: AsyncIterable<Buffer> | undefined;
}

const newline = 0x0a;

/**
 * The lines of a UTF-8 file, one at a time. Only "\n" ends a line (with or without "\r" before it): JSON strings may hold
 * the other line separators of Unicode.
 */
export async function* readLines(path: string, options: ReadLinesOptions = {}): AsyncGenerator<Line> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let number = 0;

  const refuse = (problem: string, cause?: unknown): void => {
    const error = new TerminalError('invalid_argument', `${path}:${number}: ${problem}`, { cause });
    if (options.onBadLine === undefined) throw error;
    options.onBadLine(error, number);
  };
  /** Undefined for a bad line that the caller took. */
  const finishLine = (tail: Buffer): Line | undefined => {
    number += 1;
    const tooLong = pendingBytes + tail.length > maxLineBytes;
    const bytes = pending.length === 0 ? tail : Buffer.concat([...pending, tail]);
    pending = [];
    pendingBytes = 0;
    if (tooLong) {
      refuse(`the line is longer than ${maxLineBytes} bytes; one JSON object per line is expected`);
      return undefined;
    }
    try {
      const text = decoder.decode(bytes);
      return { text: text.endsWith('\r') ? text.slice(0, -1) : text, number };
    } catch (cause) {
      refuse('not valid UTF-8; save the file as UTF-8', cause);
      return undefined;
    }
  };

  const stream =
    options.input ??
    (createReadStream(path, {
      highWaterMark: 1024 * 1024,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    }) as AsyncIterable<Buffer>);
  try {
    for await (const chunk of stream) {
      options.onBytes?.(chunk);
      let start = 0;
      for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
        const line = finishLine(chunk.subarray(start, end));
        if (line !== undefined) yield line;
        start = end + 1;
      }
      if (start === chunk.length) continue;
      pendingBytes += chunk.length - start;
      if (pendingBytes <= maxLineBytes) {
        pending.push(chunk.subarray(start));
      } else {
        // The rest of a line that is too long is counted, and not kept.
        pending = [];
        if (options.onBadLine === undefined) finishLine(Buffer.alloc(0));
      }
    }
  } catch (thrown) {
    throw fileError(path, thrown);
  }
  if (pendingBytes === 0) return;
  const last = finishLine(Buffer.alloc(0));
  if (last !== undefined) yield last;
}
