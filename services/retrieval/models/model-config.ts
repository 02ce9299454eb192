import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { readModelJson, type ModelFiles } from './model-files.ts';

const configFile = z.looseObject({
  model_type: z.string().nullish(),
  max_position_embeddings: z.int().positive().nullish(),
  pad_token_id: z.int().nonnegative().nullish(),
});

/** What of config.json inference needs. */
export interface ModelConfig {
  readonly paddingId: number;
  /** Infinity when the model has no bound. */
  readonly maxTokens: number;
}

/** Models of this kind begin to count positions after the padding's id. */
const offsetPositions = new Set(['roberta', 'xlm-roberta', 'camembert', 'mpnet']);

export async function readModelConfig(files: ModelFiles): Promise<ModelConfig> {
  const parsed = configFile.safeParse(await readModelJson(files, 'config.json'));
  if (!parsed.success) {
    throw new TerminalError('failed_precondition', `model ${files.id}: config.json: ${z.prettifyError(parsed.error)}`);
  }
  const { model_type: type, max_position_embeddings: positions, pad_token_id: padding } = parsed.data;
  const paddingId = padding ?? 0;
  const used = offsetPositions.has(type ?? '') ? paddingId + 1 : 0;
  return { paddingId, maxTokens: (positions ?? Infinity) - used };
}
