import type { Connection, Table } from '@lancedb/lancedb';
import { tableFromArrays } from 'apache-arrow';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { parseBuildManifest, type BuildManifest, type TableRef } from './build-manifest.ts';
import { buildsSchema, buildsTable } from './table-schemas.ts';

export interface Build {
  readonly sequence: number;
  /** Part of the names of its tables. */
  readonly build: string;
  readonly manifest: BuildManifest;
}

/** A database holds two tables a build, and few builds. */
const maxTables = 10_000;

const ourTable = /^gradus_(?:passages|pages)_[0-9a-f]{32}$/;

const row = z.object({ sequence: z.int(), build: z.string(), manifest: z.string() });
type Row = z.infer<typeof row>;

/** The build that is served: the last one published. Throws `failed_precondition` when there is none. */
export async function latestBuild(connection: Connection, uri: string): Promise<Build> {
  const [latest] = await readBuilds(connection);
  if (latest === undefined) throw noIndex(uri);
  return { ...latest, manifest: parseBuildManifest(latest.manifest, uri) };
}

export function noIndex(uri: string): TerminalError {
  return new TerminalError(
    'failed_precondition',
    `uri: ${uri}: holds no index; build one: gradus index build CORPUS --backend lancedb --out ${uri}`,
  );
}

/**
 * Makes a finished build the one that is served, by one commit, and drops the tables of all builds but the last `keep`:
 * replicas that still answer from the build before this one must find its tables until they reload.
 */
export async function recordBuild(
  connection: Connection,
  build: string,
  manifest: BuildManifest,
  keep: number,
): Promise<void> {
  const table = await connection.createEmptyTable(buildsTable, buildsSchema(), { mode: 'create', existOk: true });
  const earlier = await readBuilds(connection);
  const sequence = (earlier[0]?.sequence ?? 0) + 1;
  const record = { sequence: Int32Array.of(sequence), build: [build], manifest: [JSON.stringify(manifest)] };
  await table.add(tableFromArrays(record));
  const old = earlier.slice(Math.max(0, keep - 1));
  for (const { manifest: text } of old) await dropTables(connection, tablesIn(text));
  if (old.length > 0) await table.delete(`build IN (${old.map((one) => quoted(one.build)).join(', ')})`);
}

/** Drops those of the tables that are there. */
export async function dropTables(connection: Connection, names: readonly string[]): Promise<void> {
  const present = new Set(await connection.tableNames({ limit: maxTables }));
  for (const name of names) if (present.has(name)) await connection.dropTable(name);
}

/** A publication that is under way does not take longer than this. */
const abandonedAfterMs = 24 * 3_600_000;

/** Drops tables of publications that were killed: no build names them, and they were begun a day before `nowMs`. */
export async function dropAbandoned(connection: Connection, nowMs: number): Promise<void> {
  const builds = await readBuilds(connection);
  const named = new Set(builds.flatMap(({ manifest }) => tablesIn(manifest)));
  for (const name of await connection.tableNames({ limit: maxTables })) {
    if (!ourTable.test(name) || named.has(name)) continue;
    const table = await connection.openTable(name);
    const [first] = await table.listVersions();
    table.close();
    if (first !== undefined && nowMs - first.timestamp.getTime() > abandonedAfterMs) await connection.dropTable(name);
  }
}

/** A string as a literal of SQL. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Last published first. Two builds published at once share a sequence; then the greater name wins, everywhere. */
async function readBuilds(connection: Connection): Promise<Row[]> {
  const names = await connection.tableNames({ limit: maxTables });
  if (!names.includes(buildsTable)) return [];
  const table: Table = await connection.openTable(buildsTable);
  const rows: unknown[] = await table.query().toArray();
  return rows
    .map((one) => row.parse(one))
    .toSorted((one, other) => other.sequence - one.sequence || (one.build < other.build ? 1 : -1));
}

/** Tables that a manifest of any format names. */
function tablesIn(text: string): string[] {
  const named = z.object({ name: z.string() }) satisfies z.ZodType<Pick<TableRef, 'name'>>;
  const parsed = z.object({ passages: named, pages: named.optional() }).safeParse(JSON.parse(text));
  if (!parsed.success) return [];
  return [parsed.data.passages.name, ...(parsed.data.pages === undefined ? [] : [parsed.data.pages.name])];
}
