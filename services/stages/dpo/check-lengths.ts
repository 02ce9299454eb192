import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isMissing } from '#platform/files/file-error.ts';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { refuseRows, type RowFile } from '../kit/row-file.ts';
import type { PreferenceRow } from './row.ts';

const configSchema = z.object({ max_position_embeddings: z.int().min(1) });

/**
 * Throws TerminalError with every row of which an answer, after its prompt, has more tokens than the model has positions for. A model whose
 * config.json does not say how many is not asked.
 */
export async function checkLengths(rows: RowFile<PreferenceRow>, model: string): Promise<void> {
  const context = await contextOf(model);
  if (context === undefined) return;
  let tokenizer: Awaited<ReturnType<typeof loadTokenizer>> | undefined;
  const problems: string[] = [];
  for (let index = 0; index < rows.size; index++) {
    const { prompt, ...answers } = await rows.read(index);
    for (const [column, text] of Object.entries(answers)) {
      // A token has a byte at least, and the end of the turn is one more.
      if (Buffer.byteLength(prompt) + Buffer.byteLength(text) < context) continue;
      tokenizer ??= await loadTokenizer(join(model, 'tokenizer.json'));
      const tokens = tokenizer.encode(prompt).length + tokenizer.encode(text).length + 1;
      if (tokens > context)
        problems.push(
          `${rows.place(index)}: prompt and ${column} have ${tokens} tokens, the model takes ${context}; shorten or remove the row`,
        );
    }
  }
  refuseRows(problems);
}

async function contextOf(model: string): Promise<number | undefined> {
  const text = await readFile(join(model, 'config.json'), 'utf8').catch((thrown: unknown) => {
    // Said where the model itself is checked.
    if (isMissing(thrown)) return '{}';
    throw thrown;
  });
  const parsed = configSchema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data.max_position_embeddings : undefined;
}
