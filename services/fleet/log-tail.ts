import { open } from 'node:fs/promises';

const tailBytes = 64 * 1024;

/** The last messages of a service's log that report a failure; its last plain lines when none does. */
export async function lastTroubles(logFile: string, most: number): Promise<string[]> {
  return troublesIn(await readTail(logFile), most);
}

/** Lines are JSON, or plain text such as tracebacks. */
export function troublesIn(text: string, most: number): string[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const parsed = lines.map((line) => ({ line, record: parseRecord(line) }));
  const errors = parsed.flatMap(({ record }) => (record?.isError === true ? [record.message] : []));
  if (errors.length > 0) return errors.slice(-most);
  const plain = parsed.flatMap(({ line, record }) => (record === undefined ? [line] : []));
  return plain.slice(-most);
}

function parseRecord(line: string): { isError: boolean; message: string } | undefined {
  if (!line.startsWith('{')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // Cut at the start of the tail, or not JSON: plain text for our purpose.
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const level = 'level' in value ? value.level : undefined;
  const text = 'message' in value ? value.message : undefined;
  const cause =
    'err' in value && typeof value.err === 'object' && value.err !== null && 'message' in value.err
      ? value.err.message
      : undefined;
  const isError = level === 'error' || level === 'fatal';
  const said = typeof text === 'string' ? text : '';
  const why = typeof cause === 'string' && !said.includes(cause) ? cause : '';
  return { isError, message: [said, why].filter((part) => part !== '').join(': ') };
}

async function readTail(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - tailBytes);
    const buffer = Buffer.alloc(size - start);
    await file.read(buffer, 0, buffer.length, start);
    return buffer.toString('utf8');
  } finally {
    await file.close();
  }
}
