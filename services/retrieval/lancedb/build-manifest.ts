import { createHash } from 'node:crypto';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { indexSettingsSchema } from '../index/manifest.ts';
import { vectorsManifestSchema } from '../vectors/vectors-manifest.ts';

/** Grows with every change that an older reader would misread. */
export const lancedbFormatVersion = 1;

/** Constants of LanceDB's BM25, which it does not let one set. */
export const lancedbBm25 = { k1: 1.2, b: 0.75 } as const;

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in lower-case hex');
/** A table as it was when the build was published; later versions of it are never read. */
const tableRef = z.strictObject({ name: z.string().min(1), version: z.int().min(1), rows: z.int().min(0) });

/** What one build put into a database: which tables to read, and what they were made from. */
const buildManifestSchema = z.strictObject({
  formatVersion: z.literal(lancedbFormatVersion),
  /** Of the local index that was published. */
  sourceIndexVersion: hash,
  corpus: z.strictObject({ path: z.string(), sha256: hash, pages: z.int().min(1), passages: z.int().min(1) }),
  settings: indexSettingsSchema.pick({ analyzer: true, titleBoost: true, chunk: true }),
  terms: z.int().min(0),
  /** What search finds: pages, or their chunks. */
  passages: tableRef,
  /** The pages that were cut into several passages; absent where none was. */
  pages: tableRef.optional(),
  /** What made the vectors, as in the local index. */
  vectors: vectorsManifestSchema.optional(),
  /** `ivf_rq`: partitions of vectors of 4 bits a number (RaBitQ), the best compared anew exactly. */
  vectorSearch: z.enum(['none', 'exact', 'ivf_rq']),
});

export type BuildManifest = z.infer<typeof buildManifestSchema>;
export type TableRef = z.infer<typeof tableRef>;

/** Names the corpus, how it was indexed and the very tables: SHA-256 of the manifest, keys in order, lower-case hex. */
export function indexVersionOf(manifest: BuildManifest): string {
  return createHash('sha256').update(canonicalJson(manifest)).digest('hex');
}

/** Throws `TerminalError` that says what to do; `where` is the database's URI. */
export function parseBuildManifest(text: string, where: string): BuildManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TerminalError('data_loss', `${where}: the manifest is not JSON; build the index again`, { cause });
  }
  const format = z.object({ formatVersion: z.int() }).safeParse(value).data?.formatVersion;
  if (format !== undefined && format !== lancedbFormatVersion) {
    throw new TerminalError(
      'failed_precondition',
      `${where}: formatVersion: the index was written in format ${format}, this version reads ${lancedbFormatVersion}; ` +
        'build it again with this version of gradus',
    );
  }
  const parsed = buildManifestSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.map(String).join('.') ?? '';
  throw new TerminalError('data_loss', `${where}: manifest: ${field}: ${issue?.message ?? 'invalid'}; build it again`);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}
