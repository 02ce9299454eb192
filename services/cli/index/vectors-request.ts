import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { TerminalError } from '#platform/errors.ts';

/** Flags that say how an index gets vectors. */
export interface VectorsOptions {
  readonly encoder?: string;
  readonly vectors?: 'exact' | 'hnsw';
  readonly vectorScalar?: 'f32' | 'f16';
  readonly queryPrefix?: string;
  readonly passagePrefix?: string;
  readonly pooling?: 'mean' | 'cls' | 'last';
  readonly maxTokens?: number;
}

const flags: Readonly<Record<keyof Omit<VectorsOptions, 'encoder'>, string>> = {
  vectors: '--vectors',
  vectorScalar: '--vector-scalar',
  queryPrefix: '--query-prefix',
  passagePrefix: '--passage-prefix',
  pooling: '--pooling',
  maxTokens: '--max-tokens',
};

/** What the flags ask for; undefined without an encoder. */
export function vectorsRequest(options: VectorsOptions): object | undefined {
  const { encoder, vectors: kind, vectorScalar: scalar, queryPrefix, passagePrefix, pooling, maxTokens } = options;
  if (encoder === undefined) {
    const [lost] = Object.entries(flags).filter(([name]) => options[name as keyof VectorsOptions] !== undefined);
    if (lost === undefined) return undefined;
    throw new TerminalError('invalid_argument', `${lost[1]}: needs --encoder MODEL`);
  }
  return { encoder: modelPath(encoder), kind, scalar, settings: { queryPrefix, passagePrefix, pooling, maxTokens } };
}

/** A directory is named in full, because the index remembers its model by that name. */
export function modelPath(model: string): string {
  const [, directory = model, weights = ''] = /^(.*?)(:[^:]+\.onnx)?$/.exec(model) ?? [];
  return existsSync(directory) ? resolve(directory) + weights : model;
}
