import { constants, open } from 'node:fs/promises';
import { z } from 'zod';
import { UserCodeError } from '#user-code/user-code-error.ts';

const result = z.strictObject({
  prediction: z.string().max(1_000_000).exactOptional(),
  rewards: z.record(z.string(), z.number()).exactOptional(),
  metrics: z.record(z.string(), z.number()).exactOptional(),
});

export type AgentResult = z.output<typeof result>;

const mostBytes = 2 ** 20;

/** What an agent left in its result file; empty where it left none. Throws UserCodeError that names what is wrong in it. */
export async function readResult(path: string): Promise<AgentResult> {
  let text: string;
  try {
    // A pipe in its place would block for good.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    if (!(await file.stat()).isFile()) throw wrong('is not a regular file');
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(mostBytes + 1) });
    if (bytesRead > mostBytes) throw wrong(`has more than ${mostBytes} bytes`);
    text = buffer.toString('utf8', 0, bytesRead);
  } catch (thrown) {
    if (thrown instanceof UserCodeError) throw thrown;
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return {};
    throw wrong(`cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw wrong(`is not JSON: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  const parsed = result.safeParse(value);
  if (parsed.success) return parsed.data;
  throw wrong(parsed.error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`).join('; '));
}

function wrong(problem: string): UserCodeError {
  const message = `the file that the agent wrote to GRADUS_RESULT_FILE ${problem}`;
  return new UserCodeError(message, { trace: message });
}
