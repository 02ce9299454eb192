import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  buildTimeoutMs,
  tinyEncoders,
  type TinyEncoders,
} from '../../../tests/fixtures/tiny-encoders/tiny-encoders.ts';
import { buildIndex } from '../index/build-index.ts';
import { indexVersionOf, readManifest, type IndexManifest } from '../index/manifest.ts';
import { openEncoder, type Encoder } from '../models/encoder.ts';
import { hubSettingsFrom } from '../models/hub-settings.ts';
import { buildVectors, passageText } from './build-vectors.ts';
import { checkEncoder } from './check-encoder.ts';
import { openVectors, startVectorSearch } from './open-vectors.ts';
import type { VectorsManifest } from './vectors-manifest.ts';

const hub = hubSettingsFrom({ HF_HUB_OFFLINE: '1' });
const words = ['river', 'town', 'bridge', 'company', 'word', 'passage', 'founded', 'where', 'built', 'two'];
const pages = Array.from({ length: 1_200 }, (_, at) => ({
  id: `p${at}`,
  title: `${words[at % 10]} ${at}`,
  text: `the ${words[(at >> 3) % 10]} of ${words[(at >> 5) % 10]} number ${at} ${'and on '.repeat(at % 5)}`,
}));

let tiny: TinyEncoders;
let encoder: Encoder;
let base: string;
let lexical: string;
let directory: string;

beforeAll(async () => {
  tiny = await tinyEncoders();
  encoder = await openEncoder(tiny.encoder, { hub, threads: 1, workers: 2 });
  base = await mkdtemp(join(tmpdir(), 'gradus-build-vectors-'));
  const corpusPath = join(base, 'corpus.jsonl');
  await writeFile(corpusPath, pages.map((page) => JSON.stringify(page)).join('\n'));
  lexical = join(base, 'lexical');
  await buildIndex({ corpusPath, directory: lexical, settings: {} });
}, 2 * buildTimeoutMs);
afterAll(async () => {
  await encoder.dispose();
  await rm(base, { recursive: true });
});
beforeEach(async () => {
  directory = join(base, `index-${Math.random()}`);
  await cp(lexical, directory, { recursive: true });
});

function vectorsOf({ vectors }: IndexManifest): VectorsManifest {
  if (vectors === undefined) throw new Error('the manifest has no vectors');
  return vectors;
}

/** Counts the texts that it encodes, and fails at one of them. */
function counting(inner: Encoder, failAfter = Infinity): Encoder & { readonly texts: () => number } {
  let texts = 0;
  return {
    ...inner,
    texts: () => texts,
    encode: async (all, kind, signal) => {
      if (texts + all.length > failAfter) throw new Error('the power went out');
      texts += all.length;
      return await inner.encode(all, kind, signal);
    },
  };
}

describe('buildVectors', () => {
  it.each(['exact', 'hnsw'] as const)('adds %s vectors that find each passage by its own text', async (kind) => {
    const before = await readManifest(directory);
    const steps: string[] = [];
    const manifest = await buildVectors(directory, encoder, {
      kind,
      onProgress: ({ phase, passages, totalPassages }) => steps.push(`${phase} ${passages}/${totalPassages}`),
    });
    expect(await readManifest(directory)).toEqual(manifest);
    expect(indexVersionOf(manifest)).not.toBe(indexVersionOf(before));
    expect(steps).toContain('encoding 1200/1200');
    expect(steps.includes('linking 1200/1200')).toBe(kind === 'hnsw');
    const vectors = vectorsOf(manifest);
    expect(vectors).toMatchObject({
      kind,
      dimensions: 32,
      passages: 1_200,
      model: encoder.id,
      passagePrefix: 'passage: ',
    });
    expect((await readdir(directory)).filter((name) => name.startsWith('vectors'))).toEqual([vectors.file]);
    checkEncoder(vectors, encoder);

    const search = await startVectorSearch(await openVectors(directory, vectors));
    const asked = [0, 1, 777, 1_024, 1_199];
    const texts = asked.map((at) => passageText(pages[at] ?? { title: '', text: '' }));
    const found = await search.search(await encoder.encode(texts, 'passage'), 1);
    expect(found.map(({ passages }) => passages[0])).toEqual(asked);
    for (const { scores } of found) expect(scores[0]).toBeCloseTo(1, 3);
    await search.dispose();
  });

  it('goes on where an interrupted build stopped, and gives the same index', async () => {
    const whole = await buildVectors(directory, encoder, { kind: 'exact' });
    await rm(directory, { recursive: true });
    await cp(lexical, directory, { recursive: true });
    const failing = counting(encoder, 1_024);
    await expect(buildVectors(directory, failing, { kind: 'exact' })).rejects.toThrow('the power went out');
    expect((await readManifest(directory)).vectors).toBeUndefined();
    expect(existsSync(join(directory, 'vectors.partial'))).toBe(true);
    const second = counting(encoder);
    const resumed = await buildVectors(directory, second, { kind: 'exact' });
    expect(second.texts()).toBeLessThan(1_200);
    expect(vectorsOf(resumed).crc32).toBe(vectorsOf(whole).crc32);
    expect(indexVersionOf(resumed)).toBe(indexVersionOf(whole));
  });

  it('begins anew when the interrupted build had another encoder, or its file is damaged', async () => {
    await expect(buildVectors(directory, counting(encoder, 1_024), { kind: 'exact' })).rejects.toThrow();
    const other = counting({ ...encoder, settings: { ...encoder.settings, passagePrefix: 'text: ' } });
    await expect(buildVectors(directory, { ...other, id: 'other' }, { kind: 'exact' })).resolves.toBeDefined();
    expect(other.texts()).toBe(1_200);
    await expect(buildVectors(directory, counting(encoder, 1_024), { kind: 'exact' })).rejects.toThrow();
    await truncate(join(directory, 'vectors.partial'), 100);
    const again = counting(encoder);
    await buildVectors(directory, again, { kind: 'exact' });
    expect(again.texts()).toBe(1_200);
  });

  it('stops when the signal aborts, and leaves the index as it was', async () => {
    const before = await readFile(join(directory, 'manifest.json'), 'utf8');
    const controller = new AbortController();
    const build = buildVectors(directory, encoder, {
      kind: 'hnsw',
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(build).rejects.toMatchObject({ code: 'cancelled' });
    expect(await readFile(join(directory, 'manifest.json'), 'utf8')).toBe(before);
  });

  it('puts new vectors in the place of old ones', async () => {
    await buildVectors(directory, encoder, { kind: 'exact' });
    const { file } = vectorsOf(await buildVectors(directory, encoder, { kind: 'hnsw', scalar: 'f16' }));
    expect((await readdir(directory)).filter((name) => name.startsWith('vectors'))).toEqual([file]);
  });

  it('refuses numbers that exact search cannot keep, and vectors that are not numbers', async () => {
    await expect(buildVectors(directory, encoder, { kind: 'exact', scalar: 'f16' })).rejects.toThrow(
      /scalar: exact vectors are f32, not f16/,
    );
    const broken: Encoder = {
      ...encoder,
      encode: async (texts) => new Float32Array(texts.length * 32).fill(NaN, 40, 41),
    };
    await expect(buildVectors(directory, broken, { kind: 'exact' })).rejects.toThrow(
      /its vector of passage \d+ holds NaN/,
    );
  });
});

describe('openVectors', () => {
  it.each(['exact', 'hnsw'] as const)('says so when the file of %s vectors is cut short or gone', async (kind) => {
    const vectors = vectorsOf(await buildVectors(directory, encoder, { kind }));
    await truncate(join(directory, vectors.file), vectors.bytes - 1);
    await expect(openVectors(directory, vectors)).rejects.toMatchObject({
      code: 'data_loss',
      message: expect.stringMatching(/has \d+ bytes, its manifest says \d+; build the index anew/) as string,
    });
    await rm(join(directory, vectors.file));
    await expect(openVectors(directory, vectors)).rejects.toThrow(/is missing; build the index anew/);
  });

  it('says so when exact vectors have changed', async () => {
    const vectors = vectorsOf(await buildVectors(directory, encoder, { kind: 'exact' }));
    const path = join(directory, vectors.file);
    const content = await readFile(path);
    content[1_000] = (content[1_000] ?? 0) ^ 1;
    await writeFile(path, content);
    await expect(openVectors(directory, vectors)).rejects.toThrow(/is damaged: its CRC-32 is \d+, its manifest says/);
  });
});

describe('checkEncoder', () => {
  it('refuses another model, other weights, other dimensions or another prefix, and names both', async () => {
    const vectors = vectorsOf(await buildVectors(directory, encoder, { kind: 'exact' }));
    const sha256 = 'f'.repeat(64);
    expect(() => checkEncoder(vectors, { ...encoder, id: 'other/model', sha256, dimensions: 768 })).toThrow(
      new RegExp(
        `made by ${encoder.id}, the encoder is other/model \\(weightsSha256 "${encoder.sha256}" there, "${sha256}" here; ` +
          'dimensions 32 there, 768 here\\); give the encoder that made them, or build the index anew with --encoder other/model',
      ),
    );
    const settings = { ...encoder.settings, queryPrefix: '' };
    expect(() => checkEncoder(vectors, { ...encoder, settings })).toThrow(/queryPrefix "query: " there, "" here/);
    expect(() => checkEncoder(vectors, { ...encoder, id: 'a copy elsewhere' })).not.toThrow();
  });
});
