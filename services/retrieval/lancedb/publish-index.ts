import { randomUUID } from 'node:crypto';
import { Index, type Connection, type Table } from '@lancedb/lancedb';
import { TerminalError, throwIfCancelled } from '#platform/errors.ts';
import { closeIndex, openIndex, type IndexData } from '../index/open-index.ts';
import {
  indexVersionOf,
  lancedbBm25,
  lancedbFormatVersion,
  type BuildManifest,
  type TableRef,
} from './build-manifest.ts';
import { dropAbandoned, dropTables, recordBuild } from './builds.ts';
import { connectDatabase, type DatabasePlace } from './connect-database.ts';
import { indexRows } from './index-rows.ts';
import { lancedbError } from './lancedb-errors.ts';
import { pageBatch, passageBatch } from './passage-batch.ts';
import { pagesSchema, passagesSchema } from './table-schemas.ts';

export interface PublishOptions extends DatabasePlace {
  /** A local index; its vectors, where it has them, must be exact ones. */
  readonly directory: string;
  /** How vectors are searched: compared with all, or through partitions. Exact below `leastPartitionedRows` anyway. */
  readonly vectorSearch?: 'exact' | 'approximate' | undefined;
  /** Builds whose tables stay, this one included; at least 2, so that replicas can go over one by one. */
  readonly keepBuilds?: number | undefined;
  /** The time of day, in milliseconds since 1970: says which tables nobody is writing any more. */
  readonly now?: (() => number) | undefined;
  readonly onProgress?: ((progress: { readonly passages: number; readonly totalPassages: number }) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Over fewer, looking at all of them is as fast. */
export const leastPartitionedRows = 5_000;

/** Bits a number of a vector has in the partitions. */
const partitionBits = 4;

/** No word of our analyzer has more bytes. */
const maxWordBytes = 1_024;

/**
 * Copies a local index into new tables of a LanceDB database, batch by batch, and makes them the ones that are served by one
 * commit at the end. A publication that fails or is cancelled drops its tables; one that is killed leaves tables that
 * nothing names, until a publication a day later drops them.
 */
export async function publishIndex(
  options: PublishOptions,
): Promise<{ readonly manifest: BuildManifest; readonly indexVersion: string }> {
  const { directory, uri, signal, keepBuilds = 2, now = Date.now } = options;
  const data = await openIndex(directory, { signal });
  try {
    checkWeighting(data, directory);
    const connection = await connectDatabase(options);
    const build = randomUUID().replaceAll('-', '');
    const names = { passages: `gradus_passages_${build}`, pages: `gradus_pages_${build}` };
    try {
      const manifest = await writeTables(connection, names, data, options);
      throwIfCancelled(signal);
      await recordBuild(connection, build, manifest, Math.max(2, keepBuilds));
      await dropAbandoned(connection, now());
      return { manifest, indexVersion: indexVersionOf(manifest) };
    } catch (thrown) {
      await dropTables(connection, Object.values(names));
      throw lancedbError(thrown, uri);
    } finally {
      connection.close();
    }
  } finally {
    closeIndex(data);
  }
}

/** Better than to rank otherwise than was asked for. */
function checkWeighting({ manifest }: IndexData, directory: string): void {
  const { k1, b } = manifest.settings;
  if (k1 === lancedbBm25.k1 && b === lancedbBm25.b) return;
  throw new TerminalError(
    'failed_precondition',
    `k1, b: ${directory} was built with ${k1} and ${b}; LanceDB ranks with ${lancedbBm25.k1} and ${lancedbBm25.b} and ` +
      'nothing else: build the index with these',
  );
}

async function writeTables(
  connection: Connection,
  names: { readonly passages: string; readonly pages: string },
  data: IndexData,
  { vectorSearch = 'approximate', onProgress, signal }: PublishOptions,
): Promise<BuildManifest> {
  const { corpus, settings, terms, vectors } = data.manifest;
  const dimensions = vectors?.dimensions;
  const passages = await connection.createEmptyTable(names.passages, passagesSchema(dimensions));
  let pages: Table | undefined;
  let written = 0;
  for await (const batch of indexRows(data)) {
    throwIfCancelled(signal);
    await passages.add(passageBatch(batch.passages, batch.vectors, dimensions));
    if (batch.pages.length > 0) {
      pages ??= await connection.createEmptyTable(names.pages, pagesSchema());
      await pages.add(pageBatch(batch.pages));
    }
    written += batch.passages.length;
    onProgress?.({ passages: written, totalPassages: corpus.passages });
  }
  throwIfCancelled(signal);
  await passages.createIndex('terms', {
    config: Index.fts({
      baseTokenizer: 'whitespace',
      withPosition: false,
      lowercase: false,
      stem: false,
      removeStopWords: false,
      asciiFolding: false,
      maxTokenLength: maxWordBytes,
    }),
  });
  throwIfCancelled(signal);
  await passages.createIndex('id', { config: Index.btree() });
  await pages?.createIndex('id', { config: Index.btree() });
  throwIfCancelled(signal);
  const kind = vectorSearchOf(vectorSearch, dimensions, corpus.passages);
  if (kind === 'ivf_rq') {
    await passages.createIndex('vector', { config: Index.ivfRq({ distanceType: 'dot', numBits: partitionBits }) });
  }
  const { analyzer, titleBoost, chunk } = settings;
  return {
    formatVersion: lancedbFormatVersion,
    sourceIndexVersion: data.indexVersion,
    corpus,
    settings: { analyzer, titleBoost, ...(chunk !== undefined && { chunk }) },
    terms,
    passages: await referenceTo(passages, names.passages),
    ...(pages !== undefined && { pages: await referenceTo(pages, names.pages) }),
    ...(vectors !== undefined && { vectors }),
    vectorSearch: kind,
  };
}

function vectorSearchOf(
  wanted: 'exact' | 'approximate',
  dimensions: number | undefined,
  passages: number,
): BuildManifest['vectorSearch'] {
  if (dimensions === undefined) return 'none';
  // RaBitQ packs the numbers of a vector by eights.
  return wanted === 'approximate' && passages >= leastPartitionedRows && dimensions % 8 === 0 ? 'ivf_rq' : 'exact';
}

async function referenceTo(table: Table, name: string): Promise<TableRef> {
  return { name, version: await table.version(), rows: await table.countRows() };
}
