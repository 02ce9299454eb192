import { readFile, stat } from 'node:fs/promises';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { utf8Text } from '#platform/files/parse-json.ts';
import { showValue } from '#platform/text/show-value.ts';
import { hotpotqaRowSchema, type HotpotqaRow } from './hotpotqa-row.ts';

/** The official files are one JSON array, so a file is read whole; the largest (train) is 540 MB. */
const maxFileBytes = 1024 ** 3;

/**
 * All rows of an official HotpotQA file. The first row that breaks the schema, or whose support is not in its context,
 * throws `TerminalError` `FILE: row N: field: what is wrong` (N from 0).
 */
export async function readHotpotqa(path: string): Promise<HotpotqaRow[]> {
  const rows = await readArray(path);
  if (rows.length === 0) throw invalid(`${path}: holds no question; expected an array of HotpotQA rows`);
  return rows.map((value, number) => {
    const where = `${path}: row ${number}`;
    const parsed = hotpotqaRowSchema.safeParse(value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw invalid(`${where}: ${issue?.path.map(String).join('.') ?? 'row'}: ${issue?.message ?? 'invalid'}`);
    }
    const titles = new Set(parsed.data.context.map(([title]) => title));
    for (const [title] of parsed.data.supporting_facts) {
      if (titles.has(title)) continue;
      throw invalid(`${where}: supporting_facts: ${showValue(title)} is not a title in the row's context`);
    }
    return parsed.data;
  });
}

async function readArray(path: string): Promise<readonly unknown[]> {
  let value: unknown;
  try {
    const { size } = await stat(path);
    if (size > maxFileBytes) throw invalid(`${path}: ${size} bytes; at most ${maxFileBytes} are read at once`);
    value = JSON.parse(utf8Text(await readFile(path), path));
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error.code === 'not_found')
      throw new TerminalError('not_found', `${path}: there is no such file`, { cause: thrown });
    if (!(thrown instanceof SyntaxError)) throw error;
    throw new TerminalError('invalid_argument', `${path}: not JSON (${thrown.message})`, { cause: thrown });
  }
  if (!Array.isArray(value)) throw invalid(`${path}: expected one JSON array of HotpotQA rows`);
  return value;
}

function invalid(message: string): TerminalError {
  return new TerminalError('invalid_argument', message);
}
