import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { createAnalyzer } from '../analyzer/analyzer.ts';
import { createIndexReader } from '../index/index-reader.ts';
import type { IndexData } from '../index/open-index.ts';
import type { PageRow, PassageRow } from './passage-batch.ts';

export interface RowBatch {
  readonly passages: readonly PassageRow[];
  /** Of the passages, one after the other; undefined where the index has none. */
  readonly vectors: Float32Array | undefined;
  /** Pages whose first passage is in this batch and that were cut into several. */
  readonly pages: readonly PageRow[];
}

/** Bounds of one batch: what is held in memory, next to LanceDB's own buffers. */
const batchRows = 16_384;
const batchCharacters = 16 * 1024 * 1024;

const floatBytes = Float32Array.BYTES_PER_ELEMENT;

/** All passages of a local index, in its order, in batches of bounded size. */
export async function* indexRows(data: IndexData): AsyncGenerator<RowBatch> {
  const { manifest, directory } = data;
  const { corpus, settings, vectors } = manifest;
  const analyzer = createAnalyzer(settings.analyzer);
  const reader = createIndexReader(data);
  if (vectors !== undefined && vectors.kind !== 'exact') {
    throw new TerminalError(
      'failed_precondition',
      `vectors: ${directory} has them in a graph (${vectors.kind}), from which they cannot be read back; build it with exact vectors`,
    );
  }
  await using file = vectors === undefined ? undefined : await open(join(directory, vectors.file), 'r');

  async function vectorsOf(first: number, count: number): Promise<Float32Array | undefined> {
    if (file === undefined || vectors === undefined) return undefined;
    const values = new Float32Array(count * vectors.dimensions);
    const bytes = new Uint8Array(values.buffer);
    for (let at = 0; at < bytes.length;) {
      const position = first * vectors.dimensions * floatBytes + at;
      const { bytesRead } = await file.read(bytes, at, bytes.length - at, position);
      if (bytesRead === 0)
        throw new TerminalError('data_loss', `${directory}: ${vectors.file} ends too early; build it again`);
      at += bytesRead;
    }
    return values;
  }

  let passages: PassageRow[] = [];
  let pages: PageRow[] = [];
  let characters = 0;
  let lastParent = '';
  for (let position = 0; position < corpus.passages; position += 1) {
    const { id, title, preview, parentId } = reader.card(position);
    const { text } = reader.text(position);
    const titleTerms = settings.titleBoost === 1 ? [] : analyzer(title);
    const repeated = `${titleTerms.join(' ')} `.repeat(settings.titleBoost - 1);
    const terms = `${repeated}${analyzer(`${title}\n${text}`).join(' ')}`;
    passages.push({ position, id, parentId, title, preview, text, terms });
    characters += text.length + terms.length;
    if (parentId !== '' && parentId !== lastParent) {
      lastParent = parentId;
      const page = reader.fetch(parentId, 0, Number.MAX_SAFE_INTEGER);
      if (page === undefined)
        throw new TerminalError('data_loss', `${directory}: page ${parentId} is missing; build it again`);
      pages.push({ id: parentId, title, text: page.text });
      characters += page.text.length;
    }
    if (passages.length < batchRows && characters < batchCharacters) continue;
    yield { passages, vectors: await vectorsOf(position + 1 - passages.length, passages.length), pages };
    passages = [];
    pages = [];
    characters = 0;
  }
  if (passages.length === 0) return;
  yield { passages, vectors: await vectorsOf(corpus.passages - passages.length, passages.length), pages };
}
