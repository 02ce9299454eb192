import type { Pooling } from './pool-tokens.ts';

/** What becomes of the network's output. */
export type OutputKind =
  | { readonly kind: 'vector'; readonly pooling: Pooling; readonly normalise: boolean }
  /** One number a pair, as it comes. */
  | { readonly kind: 'logit' };

/** All that a worker thread needs to begin; structured-cloneable. */
export interface InferenceSpec {
  readonly modelId: string;
  readonly weightsPath: string;
  readonly tokenizerPath: string;
  readonly maxTokens: number;
  readonly paddingId: number;
  readonly lowerCase: boolean;
  readonly output: OutputKind;
  /** The output to read; else the first. */
  readonly outputName: string | undefined;
  /** Threads of the runtime in one worker. */
  readonly threads: number;
  /** Of one batch, padding included. */
  readonly maxBatchTokens: number;
  readonly maxBatchRows: number;
}

export type InferenceRequest =
  | {
      readonly type: 'run';
      readonly id: number;
      /** With it, each text is the second half of a pair. */
      readonly query: string | undefined;
      readonly texts: readonly string[];
    }
  | { readonly type: 'cancel'; readonly id: number }
  /** Gives up what is open before its next batch, then ends. */
  | { readonly type: 'end' };

export type InferenceReply =
  /** `width`: numbers a text. */
  | { readonly type: 'ready'; readonly width: number }
  /** The worker cannot begin: a sentence that names the file. */
  | { readonly type: 'broken'; readonly message: string }
  /** `values`: texts x width, in the order of the texts. */
  | { readonly type: 'done'; readonly id: number; readonly values: Float32Array }
  | { readonly type: 'cancelled'; readonly id: number }
  | { readonly type: 'failed'; readonly id: number; readonly message: string };
