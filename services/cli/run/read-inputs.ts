import { join } from 'node:path';
import { surveyInputs, type FoundInput } from '#recipe/inputs/survey-inputs.ts';
import type { RecipePaths } from '#recipe/resolve-recipe.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** Reading less takes no time that needs a word. */
const worthALineBytes = 256 * 1024 * 1024;

/** What a run stands on, by content. Says so where it takes a while: files that are known by size and times are not read again. */
export async function readInputs(
  paths: RecipePaths,
  home: string,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<FoundInput[]> {
  let said = false;
  const found = await surveyInputs(paths, {
    cacheFile: join(home, 'digests.json'),
    signal,
    onProgress(read, total) {
      if (total < worthALineBytes) return;
      if (!said) terminal.err(`reading ${gigabytes(total)} of data, corpus and model once, to know them again`);
      said = true;
      terminal.status(`${gigabytes(read)} of ${gigabytes(total)} read`);
    },
  });
  if (said) terminal.status('');
  return found;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
