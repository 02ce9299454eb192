import { MatchQuery, type Connection, type Table } from '@lancedb/lancedb';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { createAnalyzer } from '../analyzer/analyzer.ts';
import { indexVersionOf, lancedbBm25, type BuildManifest, type TableRef } from './build-manifest.ts';
import { latestBuild, quoted } from './builds.ts';
import { lancedbError } from './lancedb-errors.ts';

export interface LancedbHit {
  /** Place in the corpus, from 0: the same passage of the same corpus has the same place in every build. */
  readonly position: number;
  readonly id: string;
  readonly title: string;
  readonly preview: string;
  readonly parentId: string;
  readonly score: number;
  /** Empty unless asked for. */
  readonly text: string;
}

export interface LancedbDocument {
  readonly id: string;
  readonly parentId: string;
  readonly title: string;
  readonly text: string;
}

export interface LancedbCall {
  readonly topK: number;
  readonly withText: boolean;
  /** LanceDB gives up after this; it cannot be interrupted before. */
  readonly timeoutMs: number;
}

/** One published build, open for reading. Immutable: later builds do not change what it answers. */
export interface LancedbIndex {
  readonly manifest: BuildManifest;
  /** See `indexVersionOf`. */
  readonly indexVersion: string;
  /** Bytes of the indexes and the rows, as LanceDB counts them. */
  readonly bytes: number;
  /** Best first; equal scores in corpus order. */
  searchWords(query: string, call: LancedbCall): Promise<readonly LancedbHit[]>;
  /** By inner product with `vector`, which has the manifest's dimensions; `exact` compares with every one even where there are partitions. */
  searchVector(vector: Float32Array, call: LancedbCall & { exact: boolean }): Promise<readonly LancedbHit[]>;
  /** Pages or chunks; those that are not there are left out. */
  fetch(ids: readonly string[], timeoutMs: number): Promise<ReadonlyMap<string, LancedbDocument>>;
  close(): void;
}

/**
 * Partitions that a search of the coarse index looks into, and how many candidates it compares anew with the vectors
 * themselves for each hit asked for: with these, no hit of the exact search was missed over 100,000 passages.
 */
const coarse = { probes: 64, refineFactor: 5 } as const;

const hitColumns = ['position', 'id', 'title', 'preview', 'parent_id'];

const hitRow = z.object({
  position: z.int(),
  id: z.string(),
  title: z.string(),
  preview: z.string(),
  parent_id: z.string(),
  text: z.string().optional(),
  _score: z.number().optional(),
  _distance: z.number().optional(),
});
const pageRow = z.object({ id: z.string(), parent_id: z.string().default(''), title: z.string(), text: z.string() });

/** Opens the build that is published now; `failed_precondition` when there is none, `data_loss` when its tables are gone. */
export async function openLancedbIndex(connection: Connection, uri: string): Promise<LancedbIndex> {
  const { manifest } = await latestBuild(connection, uri);
  const passages = await openTable(connection, uri, manifest.passages);
  const pages = manifest.pages === undefined ? undefined : await openTable(connection, uri, manifest.pages);
  const analyzer = createAnalyzer(manifest.settings.analyzer);
  const { totalBytes } = await passages.stats();
  const indices = await passages.listIndices();
  const indexBytes = indices.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0);

  async function hitsOf(rows: unknown[], scoreOf: (row: z.infer<typeof hitRow>) => number): Promise<LancedbHit[]> {
    return rows
      .map((one) => {
        const row = hitRow.parse(one);
        const { position, id, title, preview, parent_id: parentId, text = '' } = row;
        return { position, id, title, preview, parentId, text, score: scoreOf(row) };
      })
      .toSorted((one, other) => other.score - one.score || one.position - other.position);
  }
  const columns = (withText: boolean): string[] => (withText ? [...hitColumns, 'text'] : hitColumns);

  return {
    manifest,
    indexVersion: indexVersionOf(manifest),
    bytes: totalBytes + indexBytes,
    async searchWords(query, { topK, withText, timeoutMs }) {
      const terms = analyzer(query);
      if (terms.length === 0) return [];
      try {
        const rows: unknown[] = await passages
          .query()
          .fullTextSearch(new MatchQuery(terms.join(' '), 'terms'))
          .select([...columns(withText), '_score'])
          .limit(topK)
          .toArray({ timeoutMs });
        // LanceDB multiplies by k1 + 1, Lucene since 8.0 and our own index do not.
        return await hitsOf(rows, ({ _score = 0 }) => _score / (lancedbBm25.k1 + 1));
      } catch (thrown) {
        throw lancedbError(thrown, uri);
      }
    },
    async searchVector(vector, { topK, withText, timeoutMs, exact }) {
      try {
        const query = passages
          .query()
          .nearestTo(vector)
          .column('vector')
          .distanceType('dot')
          .nprobes(coarse.probes)
          .refineFactor(coarse.refineFactor)
          .select([...columns(withText), '_distance'])
          .limit(topK);
        const rows: unknown[] = await (exact ? query.bypassVectorIndex() : query).toArray({ timeoutMs });
        return await hitsOf(rows, ({ _distance = 1 }) => 1 - _distance);
      } catch (thrown) {
        throw lancedbError(thrown, uri);
      }
    },
    async fetch(ids, timeoutMs) {
      const found = new Map<string, LancedbDocument>();
      try {
        await findIn(passages, ['id', 'parent_id', 'title', 'text'], ids, timeoutMs, found);
        const missing = ids.filter((id) => !found.has(id));
        if (pages !== undefined) await findIn(pages, ['id', 'title', 'text'], missing, timeoutMs, found);
      } catch (thrown) {
        throw lancedbError(thrown, uri);
      }
      return found;
    },
    close() {
      passages.close();
      pages?.close();
    },
  };
}

async function findIn(
  table: Table,
  columns: string[],
  ids: readonly string[],
  timeoutMs: number,
  found: Map<string, LancedbDocument>,
): Promise<void> {
  if (ids.length === 0) return;
  const query = table
    .query()
    .where(`id IN (${ids.map(quoted).join(', ')})`)
    .select(columns);
  const rows: unknown[] = await query.toArray({ timeoutMs });
  for (const one of rows) {
    const { id, parent_id: parentId, title, text } = pageRow.parse(one);
    found.set(id, { id, parentId, title, text });
  }
}

async function openTable(connection: Connection, uri: string, { name, version, rows }: TableRef): Promise<Table> {
  try {
    const table = await connection.openTable(name, [], { version });
    const present = await table.countRows();
    if (present === rows) return table;
    throw new TerminalError('data_loss', `${uri}: table ${name} has ${present} rows and not ${rows}; build it again`);
  } catch (thrown) {
    if (thrown instanceof TerminalError) throw thrown;
    const cause = lancedbError(thrown, uri);
    if (cause.code !== 'failed_precondition' && cause.code !== 'internal') throw cause;
    const problem = `${uri}: table ${name} of the published build cannot be opened; build it again`;
    throw new TerminalError('data_loss', problem, { cause });
  }
}
