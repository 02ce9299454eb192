import type { Readable } from 'node:stream';
import type { Logger } from '#platform/telemetry/logging.ts';
import { createLogLimit } from './log-limit.ts';

export interface ProcessOutput {
  /** Reads all of it, so that a process that prints is never held up; gives a function for the last words. */
  read(stream: 'stdout' | 'stderr', from: Readable): () => string;
}

const shownCharacters = 1000;
const tailCharacters = 4000;

/** What a process of users' code prints, in our log under its name: ten pieces in ten seconds, the beginning of each. */
export function createProcessOutput(
  log: Logger,
  name: Readonly<Record<string, string>>,
  message: string,
): ProcessOutput {
  const limit = createLogLimit(10, 10_000);
  return {
    read(stream, from) {
      let tail = '';
      from.on('data', (chunk: Buffer) => {
        const text = chunk.subarray(-tailCharacters).toString('utf8');
        tail = (tail + text).slice(-tailCharacters);
        const suppressed = limit.take();
        if (suppressed === undefined) return;
        const shown = chunk.subarray(0, shownCharacters).toString('utf8').trimEnd();
        log.info({ ...name, stream, text: shown, bytes: chunk.length, suppressed }, message);
      });
      // The process is gone, and with it whatever it had to say.
      from.on('error', () => {});
      return () => tail;
    },
  };
}
