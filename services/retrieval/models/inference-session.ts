import { readFile } from 'node:fs/promises';
import { Tokenizer } from '@huggingface/tokenizers';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { InferenceSpec } from './inference-protocol.ts';
import { normalise, poolTokens } from './pool-tokens.ts';
import { createSequenceTokenizer, type Sequence } from './sequence-tokenizer.ts';

export interface Inference {
  /** Numbers a text. */
  readonly width: number;
  /** Texts x width; undefined when `stopped` says so between two batches. */
  run(query: string | undefined, texts: readonly string[], stopped: () => boolean): Promise<Float32Array | undefined>;
}

const knownInputs = new Set(['input_ids', 'attention_mask', 'token_type_ids']);

/** A model in this thread. Throws an error whose message names the file at fault. */
export async function startInference(spec: InferenceSpec): Promise<Inference> {
  const tokenizer = createSequenceTokenizer(await readTokenizer(spec.tokenizerPath), spec.maxTokens);
  const session = await InferenceSession.create(spec.weightsPath, {
    executionProviders: ['cpu'],
    intraOpNumThreads: spec.threads,
    interOpNumThreads: 1,
    // Idle threads that spin would take the CPU from the search threads.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
  }).catch((error: unknown) => {
    throw new Error(`${spec.weightsPath} is not an ONNX model that runs: ${String(error)}`, { cause: error });
  });
  const outputName = spec.outputName ?? session.outputNames[0] ?? '';
  if (!session.outputNames.includes(outputName)) {
    throw new Error(`${spec.weightsPath} has no output ${outputName}, but ${session.outputNames.join(', ')}`);
  }
  const unknown = session.inputNames.filter((name) => !knownInputs.has(name));
  if (unknown.length > 0 || !session.inputNames.includes('input_ids')) {
    throw new Error(
      `${spec.weightsPath} wants ${session.inputNames.join(', ')}; known: ${[...knownInputs].join(', ')}`,
    );
  }
  const wide = new Map(
    session.inputMetadata.map((input) => [input.name, !input.isTensor || input.type !== 'int32'] as const),
  );

  const sequenceOf = (query: string | undefined, text: string): Sequence => {
    const lowered = spec.lowerCase ? text.toLowerCase() : text;
    if (query === undefined) return tokenizer.single(lowered);
    return tokenizer.pair(spec.lowerCase ? query.toLowerCase() : query, lowered);
  };

  function feedsOf(rows: readonly Sequence[], tokens: number): Record<string, Tensor> {
    const values = new Map<string, Int32Array>(
      session.inputNames.map((name) => [name, new Int32Array(rows.length * tokens)] as const),
    );
    values.get('input_ids')?.fill(spec.paddingId);
    rows.forEach(({ ids, types }, row) => {
      values.get('input_ids')?.set(ids, row * tokens);
      values.get('token_type_ids')?.set(types, row * tokens);
      values.get('attention_mask')?.fill(1, row * tokens, row * tokens + ids.length);
    });
    const feeds: Record<string, Tensor> = {};
    for (const [name, data] of values) {
      feeds[name] =
        wide.get(name) === false ? new Tensor('int32', data, [rows.length, tokens]) : wideTensor(data, tokens);
    }
    return feeds;
  }

  /** One vector or logit a row. */
  async function runBatch(rows: readonly Sequence[]): Promise<ArrayLike<number>[]> {
    const tokens = Math.max(...rows.map(({ ids }) => ids.length));
    const outputs = await session.run(feedsOf(rows, tokens), [outputName]);
    const output = outputs[outputName];
    if (output === undefined || !(output.data instanceof Float32Array)) {
      throw new Error(`${spec.weightsPath}: output ${outputName} is not of type float32`);
    }
    const { data, dims } = output;
    const width = dims.at(-1) ?? 0;
    const perRow = data.length / rows.length;
    if (spec.output.kind === 'logit') {
      if (perRow !== 1) throw new Error(`${spec.weightsPath}: ${outputName} has ${perRow} numbers a pair; want one`);
      return Array.from(data, (value) => [value]);
    }
    const { pooling, normalise: scale } = spec.output;
    if (dims.length !== 2 && (dims.length !== 3 || dims[1] !== tokens)) {
      throw new Error(
        `${spec.weightsPath}: ${outputName} has shape ${dims.join(' x ')}; want one vector a token or a text`,
      );
    }
    return rows.map(({ ids }, row) => {
      const part = data.subarray(row * perRow, (row + 1) * perRow);
      // A model that pools by itself gives one vector a text.
      const pooled = dims.length === 2 ? Float64Array.from(part) : poolTokens(part, ids.length, width, pooling);
      return scale ? normalise(pooled) : pooled;
    });
  }

  const [example] = await runBatch([sequenceOf(spec.output.kind === 'logit' ? 'a' : undefined, 'a')]);
  const width = example?.length ?? 0;
  return {
    width,
    async run(query, texts, stopped) {
      const sequences = texts.map((text) => sequenceOf(query, text));
      const values = new Float32Array(texts.length * width);
      const lengths = sequences.map(({ ids }) => ids.length);
      for (const batch of planBatches(lengths, spec.maxBatchTokens, spec.maxBatchRows)) {
        // Lets the message in that cancels this run.
        await new Promise(setImmediate);
        if (stopped()) return undefined;
        const rows = await runBatch(batch.flatMap((at) => sequences[at] ?? []));
        batch.forEach((at, row) => values.set(rows[row] ?? [], at * width));
      }
      return values;
    },
  };
}

function wideTensor(data: Int32Array, tokens: number): Tensor {
  const wide = new BigInt64Array(data.length);
  // Two 32-bit halves each, the low one first: all values are small and not negative.
  const halves = new Int32Array(wide.buffer);
  for (let at = 0; at < data.length; at += 1) halves[2 * at] = data[at] ?? 0;
  return new Tensor('int64', wide, [data.length / tokens, tokens]);
}

async function readTokenizer(path: string): Promise<Tokenizer> {
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (typeof parsed !== 'object' || parsed === null) throw new TypeError('it is not a JSON object');
    return new Tokenizer(parsed, {});
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${path} is not a Hugging Face tokenizer.json: ${why}`, { cause });
  }
}

/**
 * Packs sequences into batches so that little is computed on padding: the longest first, each batch padded to its longest,
 * at most `maxTokens` with padding (one sequence may have more), at most `maxRows` rows. Gives positions; empty
 * sequences are in no batch.
 */
export function planBatches(lengths: readonly number[], maxTokens: number, maxRows: number): number[][] {
  const order = lengths.flatMap((length, at) => (length > 0 ? [at] : []));
  order.sort((a, b) => (lengths[b] ?? 0) - (lengths[a] ?? 0) || a - b);
  const batches: number[][] = [];
  let current: number[] = [];
  let longest = 0;
  for (const at of order) {
    if (current.length === maxRows || (current.length > 0 && (current.length + 1) * longest > maxTokens)) {
      batches.push(current);
      current = [];
    }
    if (current.length === 0) longest = lengths[at] ?? 0;
    current.push(at);
  }
  if (current.length > 0) batches.push(current);
  return batches;
}
