import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildTimeoutMs,
  tinyEncoders,
  type TinyEncoders,
} from '../../../tests/fixtures/tiny-encoders/tiny-encoders.ts';
import { openEncoder, type Encoder, type EncoderOptions } from './encoder.ts';
import { hubSettingsFrom } from './hub-settings.ts';

const hub = hubSettingsFrom({ HF_HUB_OFFLINE: '1', HF_HUB_CACHE: join(tmpdir(), 'gradus-no-such-cache') });
const close = 1e-4;

/** The largest difference of any number. */
function distance(vectors: Float32Array, expected: readonly (readonly number[])[]): number {
  const flat = expected.flat();
  expect(vectors.length).toBe(flat.length);
  return Math.max(...flat.map((value, at) => Math.abs(value - (vectors[at] ?? NaN))));
}

let tiny: TinyEncoders;
let scratch: string;
const open: Encoder[] = [];

async function opened(reference: string, options: Partial<EncoderOptions> = {}): Promise<Encoder> {
  const encoder = await openEncoder(reference, { hub, threads: 1, ...options });
  open.push(encoder);
  return encoder;
}

/** A copy of the tiny encoder with some files written anew. */
async function variant(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const directory = join(scratch, name);
  await cp(tiny.encoder, directory, { recursive: true });
  for (const [file, content] of Object.entries(files)) await writeFile(join(directory, file), content);
  return directory;
}

beforeAll(async () => {
  tiny = await tinyEncoders();
  scratch = await mkdtemp(join(tmpdir(), 'gradus-encoder-'));
}, 2 * buildTimeoutMs);
afterAll(async () => {
  await Promise.all(open.map(async (encoder) => await encoder.dispose()));
  await rm(scratch, { recursive: true });
});

describe('encoder', () => {
  it('gives the vectors that transformers computes, in one batch, with what the model directory says', async () => {
    const { texts, passages, queryVectors } = tiny.expected;
    const encoder = await opened(tiny.encoder);
    expect(encoder.dimensions).toBe(32);
    expect(encoder.settings).toMatchObject({ pooling: 'mean', normalise: true, maxTokens: 64, queryPrefix: 'query: ' });
    expect(distance(await encoder.encode(texts, 'passage'), passages)).toBeLessThan(close);
    expect(distance(await encoder.encode(texts, 'query'), queryVectors)).toBeLessThan(close);
  });

  it('gives the same vectors text by text, in tiny batches, and over two threads', async () => {
    const { texts, passages } = tiny.expected;
    const encoder = await opened(tiny.encoder, { workers: 2, maxBatchTokens: 70 });
    expect(distance(await encoder.encode(texts, 'passage'), passages)).toBeLessThan(close);
    for (const at of [0, 3, texts.length - 1]) {
      const alone = await encoder.encode(texts.slice(at, at + 1), 'passage');
      expect(distance(alone, passages.slice(at, at + 1))).toBeLessThan(close);
    }
    const many = Array.from({ length: 300 }, (_, at) => texts[at % texts.length] ?? '');
    const expected = many.map((_, at) => passages[at % texts.length] ?? []);
    expect(distance(await encoder.encode(many, 'passage'), expected)).toBeLessThan(close);
  });

  it('pools by the first or the last token, without prefixes and without scaling, when asked to', async () => {
    const { texts, clsRaw, last } = tiny.expected;
    const plain = { queryPrefix: '', passagePrefix: '' };
    const cls = await opened(tiny.encoder, {
      settings: { ...plain, pooling: 'cls', normalise: false, maxTokens: 32 },
    });
    expect(distance(await cls.encode(texts, 'passage'), clsRaw)).toBeLessThan(close);
    const lastToken = await opened(tiny.encoder, { settings: { ...plain, pooling: 'last', maxTokens: 128 } });
    expect(distance(await lastToken.encode(texts, 'query'), last)).toBeLessThan(close);
  });

  it('reads pooling and scaling from the files of sentence-transformers, old and new', async () => {
    const transformer = { type: 'sentence_transformers.models.Transformer' };
    const directory = await variant('cls', {
      'modules.json': JSON.stringify([transformer, { type: 'sentence_transformers.models.Pooling' }]),
      '1_Pooling/config.json': JSON.stringify({ pooling_mode: 'cls' }),
      'config_sentence_transformers.json': '{}',
    });
    const encoder = await opened(directory, { settings: { maxTokens: 32 } });
    const { texts, clsRaw } = tiny.expected;
    expect(distance(await encoder.encode(texts, 'passage'), clsRaw)).toBeLessThan(close);
  });

  it('knows E5 by its name', async () => {
    const directory = await variant('e5-base-v2', { 'config_sentence_transformers.json': '{}' });
    const { settings } = await opened(directory);
    // The tiny model reads no more than 128.
    expect(settings).toMatchObject({
      queryPrefix: 'query: ',
      passagePrefix: 'passage: ',
      pooling: 'mean',
      maxTokens: 128,
    });
  });

  it('names what it cannot do: a dense layer, a maximum, too many tokens', async () => {
    const dense = await variant('dense', { 'modules.json': JSON.stringify([{ type: 'x.models.Dense' }]) });
    await expect(opened(dense)).rejects.toThrow(/modules\.json asks for Dense/);
    const most = await variant('max', { '1_Pooling/config.json': JSON.stringify({ pooling_mode_max_tokens: true }) });
    await expect(opened(most)).rejects.toThrow(/asks for pooling pooling_mode_max_tokens; done here: mean, cls, last/);
    await expect(opened(tiny.encoder, { settings: { maxTokens: 129 } })).rejects.toThrow(/reads 128 at most/);
  });

  it('names the file that is not a model, no tokenizer or no JSON', async () => {
    const weights = await variant('weights', { 'onnx/model.onnx': 'not a model' });
    await expect(opened(weights)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/onnx\/model\.onnx is not an ONNX model/) as string,
    });
    await expect(opened(await variant('tokenizer', { 'tokenizer.json': '{}' }))).rejects.toThrow(
      /tokenizer\.json is not a Hugging Face tokenizer\.json/,
    );
    await expect(opened(await variant('config', { 'config.json': '{' }))).rejects.toThrow(/config\.json is not JSON/);
    await expect(opened(tiny.encoder, { outputName: 'nowhere' })).rejects.toThrow(
      /has no output nowhere, but last_hidden_state/,
    );
  });

  it('is named by the SHA-256 of its weights, which changes with them', async () => {
    const one = await opened(tiny.encoder);
    const other = await opened(tiny.crossEncoder, { outputName: 'logits', settings: { normalise: false } });
    expect(one.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(other.sha256).not.toBe(one.sha256);
  });

  it('ends the wait when the signal aborts, and goes on serving', async () => {
    const { texts, passages } = tiny.expected;
    const encoder = await opened(tiny.encoder);
    const controller = new AbortController();
    const long = encoder.encode(
      Array.from({ length: 4_000 }, () => 'word '.repeat(60)),
      'passage',
      controller.signal,
    );
    controller.abort();
    await expect(long).rejects.toMatchObject({ name: 'CancelledError', code: 'cancelled' });
    await expect(encoder.encode(texts, 'passage', AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
    expect(distance(await encoder.encode(texts, 'passage'), passages)).toBeLessThan(close);
  });

  it('refuses more texts than may wait, and serves those that do', async () => {
    const encoder = await opened(tiny.encoder, { maxPendingTexts: 100 });
    const first = encoder.encode(
      Array.from({ length: 90 }, () => 'word'),
      'passage',
    );
    await expect(
      encoder.encode(
        Array.from({ length: 20 }, () => 'word'),
        'query',
      ),
    ).rejects.toMatchObject({
      code: 'resource_exhausted',
    });
    expect((await first).length).toBe(90 * 32);
    expect((await encoder.encode([], 'query')).length).toBe(0);
  });

  it('says so when it is closed', async () => {
    const encoder = await openEncoder(tiny.encoder, { hub });
    await encoder.dispose();
    await expect(encoder.encode(['word'], 'query')).rejects.toThrow(/is closed/);
  });
});
