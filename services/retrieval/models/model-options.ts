import { availableParallelism } from 'node:os';
import type { FindModelOptions } from './find-model.ts';

/** What opening an encoder and a cross-encoder have in common. */
export interface ModelOptions extends FindModelOptions {
  /** Worker threads, a copy of the model each; 1 unless given. */
  readonly workers?: number | undefined;
  /** Threads of the runtime in one worker; all processors shared out unless given. */
  readonly threads?: number | undefined;
  /** Output of the network to read; else the first. */
  readonly outputName?: string | undefined;
  /** Of one batch, padding included; 16,384 unless given. */
  readonly maxBatchTokens?: number | undefined;
  /** Texts that may wait, over all callers; 8,192 unless given. */
  readonly maxPendingTexts?: number | undefined;
}

export function inferenceLimits(options: ModelOptions): {
  readonly workers: number;
  readonly threads: number;
  readonly maxBatchTokens: number;
  readonly maxBatchRows: number;
  readonly maxPendingTexts: number;
} {
  const workers = options.workers ?? 1;
  return {
    workers,
    threads: options.threads ?? Math.max(1, Math.floor(availableParallelism() / workers)),
    maxBatchTokens: options.maxBatchTokens ?? 16_384,
    maxBatchRows: 256,
    maxPendingTexts: options.maxPendingTexts ?? 8_192,
  };
}
