import { findModel } from './find-model.ts';
import { startInferencePool } from './inference-pool.ts';
import { readModelConfig } from './model-config.ts';
import { inferenceLimits, type ModelOptions } from './model-options.ts';
import { runInParts } from './run-in-parts.ts';
import { hashWeights } from './weights-hash.ts';

/** Reads a query and a text together and says how well they match. */
export interface CrossEncoder {
  readonly id: string;
  /** Of the weights, lower-case hex. */
  readonly sha256: string;
  /** A logit a text, unbounded, higher is better; in the order of the texts. */
  score(query: string, texts: readonly string[], signal?: AbortSignal): Promise<Float32Array>;
  dispose(): Promise<void>;
}

export type CrossEncoderOptions = ModelOptions & {
  /** Of a pair, special tokens included; 512 unless given, less where the model reads less. */
  readonly maxTokens?: number | undefined;
};

export async function openCrossEncoder(reference: string, options: CrossEncoderOptions): Promise<CrossEncoder> {
  const files = await findModel(reference, options);
  const config = await readModelConfig(files);
  const sha256 = await hashWeights(files, options.signal);
  const { workers, maxPendingTexts, ...limits } = inferenceLimits(options);
  const pool = await startInferencePool(
    {
      ...limits,
      modelId: files.id,
      weightsPath: files.weightsPath,
      tokenizerPath: files.tokenizerPath,
      maxTokens: Math.min(options.maxTokens ?? 512, config.maxTokens),
      paddingId: config.paddingId,
      lowerCase: false,
      output: { kind: 'logit' },
      outputName: options.outputName,
    },
    { workers, maxPendingTexts },
  );
  return {
    id: files.id,
    sha256,
    score: async (query, texts, signal) => await runInParts(pool, query, texts, '', signal),
    dispose: pool.dispose,
  };
}
