import { inspect } from 'node:util';
import { UserCodeError } from './user-code-error.ts';

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
