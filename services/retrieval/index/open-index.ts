import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { TerminalError, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import { contentFiles, lexicalFiles, type ContentFileName, type LexicalFileName } from './lexical-files.ts';
import { howToBuild, indexVersionOf, readManifest, type IndexManifest } from './manifest.ts';
import { passagePenalties } from './bm25-formula.ts';
import { recomputeBounds } from './recompute-bounds.ts';
import { checkChecksum, checkSize } from './verify-index.ts';

interface ArrayOf {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly u16: Uint16Array<SharedArrayBuffer>;
  readonly u32: Uint32Array<SharedArrayBuffer>;
  readonly f32: Float32Array<SharedArrayBuffer>;
  readonly f64: Float64Array<SharedArrayBuffer>;
}

export type LexicalArrays = { readonly [Name in LexicalFileName]: ArrayOf[(typeof lexicalFiles)[Name]] };

/**
 * An open index. It can be posted to worker threads as it is: they share its memory and its file descriptors. Each
 * thread searches through a reader of its own (`createIndexReader`).
 */
export interface IndexData {
  readonly directory: string;
  readonly manifest: IndexManifest;
  /** Names the index and how it is searched, 64 hex digits. */
  readonly indexVersion: string;
  readonly k1: number;
  readonly b: number;
  /** Bytes of its files, in memory and on disk. */
  readonly bytes: number;
  readonly arrays: LexicalArrays;
  /** What the length of each passage adds below the fraction of BM25. */
  readonly penalties: Float64Array<SharedArrayBuffer>;
  readonly descriptors: Readonly<Record<ContentFileName, number>>;
}

export interface OpenIndexOptions {
  /** Those that the index was built for when absent. Others cost a pass over all postings. */
  readonly k1?: number | undefined;
  readonly b?: number | undefined;
  /** SHA-256 of the corpus that it must be of. */
  readonly corpusSha256?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes read between two looks at the signal. */
const pieceBytes = 16 * 1024 * 1024;

/** Reads an index. Sizes and, of the files that are read, checksums are compared with the manifest. */
export async function openIndex(directory: string, options: OpenIndexOptions = {}): Promise<IndexData> {
  const manifest = await readManifest(directory);
  const { corpus, files, settings } = manifest;
  if (options.corpusSha256 !== undefined && options.corpusSha256 !== corpus.sha256) {
    throw new TerminalError(
      'failed_precondition',
      `${directory}: is an index of another corpus: found SHA-256 ${corpus.sha256} (${corpus.path}), expected ${options.corpusSha256}; ${howToBuild}`,
    );
  }
  for (const name of [...Object.keys(lexicalFiles), ...contentFiles]) {
    const file = files[name];
    if (file === undefined)
      throw new TerminalError('failed_precondition', `${directory}: its manifest does not name ${name}; ${howToBuild}`);
    await checkSize(join(directory, name), file.bytes);
  }
  const read = await Promise.all(
    Object.entries(lexicalFiles).map(async ([name, kind]) => {
      const { bytes = 0, crc32: expected = 0 } = files[name] ?? {};
      const memory = await readShared(join(directory, name), bytes, expected, options.signal);
      return [name, viewOf(kind, memory)];
    }),
  );
  // Every file has been read as the kind that its type says.
  const built = Object.fromEntries(read) as LexicalArrays;

  const { k1 = settings.k1, b = settings.b } = options;
  const lengths = built['passages.lengths'];
  const penalties = new Float64Array(new SharedArrayBuffer(8 * lengths.length));
  passagePenalties(lengths, manifest.words, { k1, b }, penalties);
  const asBuilt = k1 === settings.k1 && b === settings.b;
  const version = indexVersionOf(manifest);
  const data = {
    directory,
    manifest,
    indexVersion: asBuilt
      ? version
      : createHash('sha256')
          .update(JSON.stringify([version, k1, b]))
          .digest('hex'),
    k1,
    b,
    bytes: Object.values(files).reduce((sum, file) => sum + file.bytes, 0),
    arrays: asBuilt ? built : { ...built, ...recomputeBounds(built, penalties) },
    penalties,
  };
  const pages = openSync(join(directory, 'pages'), 'r');
  try {
    return { ...data, descriptors: { pages, cards: openSync(join(directory, 'cards'), 'r') } };
  } catch (thrown) {
    closeSync(pages);
    throw errorFrom(thrown);
  }
}

/** Closes the files, once, when no thread reads any more. */
export function closeIndex({ descriptors }: IndexData): void {
  for (const name of contentFiles) closeSync(descriptors[name]);
}

async function readShared(
  path: string,
  bytes: number,
  expected: number,
  signal: AbortSignal | undefined,
): Promise<SharedArrayBuffer> {
  const memory = new SharedArrayBuffer(bytes);
  const file = await open(path, 'r');
  let checksum = 0;
  try {
    for (let at = 0; at < bytes;) {
      throwIfCancelled(signal);
      const piece = new Uint8Array(memory, at, Math.min(pieceBytes, bytes - at));
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw new TerminalError('data_loss', `${path}: ends at ${at} bytes; ${howToBuild}`);
      checksum = crc32(piece.subarray(0, bytesRead), checksum);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  checkChecksum(path, checksum, expected);
  return memory;
}

function viewOf(kind: keyof ArrayOf, memory: SharedArrayBuffer): ArrayOf[keyof ArrayOf] {
  switch (kind) {
    case 'bytes':
      return new Uint8Array(memory);
    case 'u16':
      return new Uint16Array(memory);
    case 'u32':
      return new Uint32Array(memory);
    case 'f32':
      return new Float32Array(memory);
    case 'f64':
      return new Float64Array(memory);
  }
}
