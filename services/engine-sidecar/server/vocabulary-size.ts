import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isMissing } from '#platform/files/file-error.ts';

const configSchema = z.looseObject({
  vocab_size: z.int().min(1).optional(),
  // Of models that see, too.
  text_config: z.looseObject({ vocab_size: z.int().min(1).optional() }).optional(),
});

/** Of the model whose config.json lies in `directory`; 0 where there is none, or it does not say. */
export async function readVocabularySize(directory: string): Promise<number> {
  try {
    const config = configSchema.parse(JSON.parse(await readFile(join(directory, 'config.json'), 'utf8')));
    return config.vocab_size ?? config.text_config?.vocab_size ?? 0;
  } catch (thrown) {
    if (isMissing(thrown)) return 0;
    throw thrown;
  }
}
