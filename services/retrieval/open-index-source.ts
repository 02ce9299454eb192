import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import type { RetrievalConfig } from './config.ts';
import { hashFile } from '#platform/files/hash-file.ts';
import { buildInThread } from './index/build-in-thread.ts';
import { indexCorpus } from './index/index-corpus.ts';
import type { IndexManifest, IndexSettings } from './index/manifest.ts';
import { closeIndex, openIndex, type IndexData } from './index/open-index.ts';
import type { Encoder } from './models/encoder.ts';
import { checkEncoder } from './vectors/check-encoder.ts';
import type { VectorData } from './vectors/open-vectors.ts';

export type IndexSource = Pick<
  RetrievalConfig,
  'corpus' | 'index' | 'analyzer' | 'k1' | 'b' | 'titleBoost' | 'chunkWords' | 'chunkOverlap'
>;

export interface OpenSource {
  readonly index: IndexData;
  /** Where the index has some and there is the encoder that they are of. */
  readonly vectors: VectorData | undefined;
}

/** The index that the config names, or one of the corpus that it names. Reads everything anew each time. */
export async function openIndexSource(
  source: IndexSource,
  encoder: Encoder | undefined,
  signal: AbortSignal,
): Promise<OpenSource> {
  const { corpus, index } = source;
  if (index !== undefined) return await openDirectory(index, source, encoder, signal);
  if (corpus === undefined) throw new TerminalError('invalid_argument', 'corpus: missing; give --corpus or --index');
  if (encoder === undefined) {
    return { index: await indexCorpus(corpus, settingsOf(source), { signal }), vectors: undefined };
  }
  return await encodeCorpus(corpus, source, encoder, signal);
}

async function openDirectory(
  directory: string,
  source: IndexSource,
  encoder: Encoder | undefined,
  signal: AbortSignal,
): Promise<OpenSource> {
  const { corpus, k1, b } = source;
  const corpusSha256 = corpus === undefined ? undefined : await hashFile(corpus, signal);
  const index = await openIndex(directory, { k1, b, corpusSha256, signal });
  try {
    checkSettings(source, index.manifest, directory);
    return { index, vectors: await openVectorsFor(index, encoder, signal) };
  } catch (error) {
    closeIndex(index);
    throw error;
  }
}

async function openVectorsFor(
  { directory, manifest }: IndexData,
  encoder: Encoder | undefined,
  signal: AbortSignal,
): Promise<VectorData | undefined> {
  if (encoder === undefined || manifest.vectors === undefined) return undefined;
  checkEncoder(manifest.vectors, encoder);
  const { openVectors } = await import('./vectors/open-vectors.ts');
  return await openVectors(directory, manifest.vectors, { signal });
}

/** For this process alone: exact vectors are read into memory, so that nothing is left on disk once they are. */
async function encodeCorpus(
  corpusPath: string,
  source: IndexSource,
  encoder: Encoder,
  signal: AbortSignal,
): Promise<OpenSource> {
  const { buildVectors } = await import('./vectors/build-vectors.ts');
  const temporary = await mkdtemp(join(tmpdir(), 'gradus-index-'));
  try {
    const directory = join(temporary, 'index');
    await buildInThread({ corpusPath, directory, settings: settingsOf(source), signal });
    await buildVectors(directory, encoder, { kind: 'exact', signal });
    return await openDirectory(directory, { ...source, corpus: undefined }, encoder, signal);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Only what is set: the rest is as the index's own defaults say. */
function settingsOf(source: IndexSource): Partial<IndexSettings> {
  const { analyzer, k1, b, titleBoost, chunkWords, chunkOverlap } = source;
  const chunk =
    chunkWords === undefined ? undefined : { words: chunkWords, overlap: chunkOverlap ?? Math.floor(chunkWords / 5) };
  return Object.fromEntries(
    Object.entries({ analyzer, k1, b, titleBoost, chunk }).filter(([, value]) => value !== undefined),
  );
}

/** What was decided when the index was built cannot be asked for otherwise. */
function checkSettings(source: IndexSource, { settings }: IndexManifest, directory: string): void {
  const decided = {
    analyzer: settings.analyzer,
    titleBoost: settings.titleBoost,
    chunkWords: settings.chunk?.words,
    chunkOverlap: settings.chunk?.overlap,
  };
  for (const field of ['analyzer', 'titleBoost', 'chunkWords', 'chunkOverlap'] as const) {
    const asked = source[field];
    if (asked === undefined || asked === decided[field]) continue;
    throw new TerminalError(
      'failed_precondition',
      `${field}: ${asked}, but the index ${directory} was built with ${decided[field] ?? 'none'}; leave ${field} out, or ` +
        'build the index again with it',
    );
  }
}
