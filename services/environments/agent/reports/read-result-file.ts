import { constants, open } from 'node:fs/promises';
import { UserCodeError } from '#user-code/user-code-error.ts';
import { faultInWords } from '#user-code/user-code-error.ts';
import { agentResult, parseResult, type AgentResult } from './agent-result.ts';

const mostBytes = 2 ** 20;
const where = 'the file that the agent wrote to GRADUS_RESULT_FILE';

/** What an agent left in its result file; empty where it left none. Throws UserCodeError that names what is wrong in it. */
export async function readResultFile(path: string): Promise<AgentResult> {
  let text: string;
  try {
    // A pipe in its place would block for good.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    if (!(await file.stat()).isFile()) throw faultInWords(`${where} is not a regular file`);
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(mostBytes + 1) });
    if (bytesRead > mostBytes) throw faultInWords(`${where} has more than ${mostBytes} bytes`);
    text = buffer.toString('utf8', 0, bytesRead);
  } catch (thrown) {
    if (thrown instanceof UserCodeError) throw thrown;
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return {};
    throw faultInWords(`${where} cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw faultInWords(`${where} is not JSON: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  return parseResult(agentResult, value, where);
}
