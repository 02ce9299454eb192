import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { analyzerNames } from '../analyzer/analyzer.ts';
import { vectorsManifestSchema } from '../vectors/vectors-manifest.ts';

/** Counts up with every change to the files that an older reader or a newer one would read wrongly. */
export const formatVersion = 1;
export const manifestName = 'manifest.json';

const count = z.number().int().min(0);
const hex64 = z.string().regex(/^[0-9a-f]{64}$/);

/** How a corpus becomes an index. */
export const indexSettingsSchema = z.strictObject({
  analyzer: z.enum(analyzerNames).default('standard'),
  k1: z.number().min(0).max(100).default(1.2),
  b: z.number().min(0).max(1).default(0.75),
  /** How often each word of a title counts; 1 is once, as any other word. */
  titleBoost: z.number().int().min(1).max(100).default(1),
  /** Pages longer than this many words become several passages. Absent: a page is a passage. */
  chunk: z
    .strictObject({ words: z.number().int().min(10).max(100_000), overlap: count })
    .refine(({ words, overlap }) => overlap * 2 <= words, { error: 'overlap: give at most half of words' })
    .optional(),
  onBadLine: z.enum(['stop', 'skip']).default('stop'),
  /** Memory for postings before they go to disk, in bytes. */
  memoryBytes: z
    .number()
    .int()
    .min(1024 * 1024)
    .default(256 * 1024 * 1024),
});
export type IndexSettings = z.infer<typeof indexSettingsSchema>;
/** What is left out has its default. */
export type IndexSettingsInput = z.input<typeof indexSettingsSchema>;

const fileSchema = z.strictObject({ bytes: count, crc32: count });

const manifestSchema = z.strictObject({
  formatVersion: z.literal(formatVersion),
  /** Version of Gradus that wrote it. */
  builder: z.string(),
  corpus: z.strictObject({ path: z.string(), sha256: hex64, pages: count, passages: count }),
  badLines: z.strictObject({
    count,
    /** The first ten. */
    first: z.array(z.strictObject({ line: count, problem: z.string() })),
  }),
  settings: indexSettingsSchema.pick({ analyzer: true, k1: true, b: true, titleBoost: true, chunk: true }),
  terms: count,
  postings: count,
  /** Of all passages, in words. */
  words: count,
  files: z.record(z.string(), fileSchema),
  /** Written when an encoder adds vectors. */
  vectors: vectorsManifestSchema.optional(),
});

export type IndexManifest = z.infer<typeof manifestSchema>;

/**
 * Names what the index answers: its corpus, settings and files, 64 hex digits. Where the corpus lay and who built it do
 * not matter.
 */
export function indexVersionOf({ corpus, settings, files, vectors }: IndexManifest): string {
  const { sha256, pages, passages } = corpus;
  const names = Object.keys(files).toSorted();
  const content = {
    formatVersion,
    corpus: { sha256, pages, passages },
    settings,
    files: names.map((name) => [name, files[name]?.bytes, files[name]?.crc32]),
    // Its weights' hash names the model, wherever it lay.
    vectors: vectors === undefined ? undefined : { ...vectors, model: undefined },
  };
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

/** Reads and checks a manifest. Every error names the file, what was found and how to get a good index. */
export async function readManifest(directory: string): Promise<IndexManifest> {
  const path = join(directory, manifestName);
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    const error = errorFrom(cause);
    const missing = error.code === 'not_found';
    throw new TerminalError(
      missing ? 'not_found' : 'failed_precondition',
      missing
        ? `${path}: there is no such file, so ${directory} holds no index; ${howToBuild}`
        : `${path}: cannot be read as JSON (${error.message}); ${howToBuild}`,
      { cause },
    );
  }
  const found = z.looseObject({ formatVersion: z.unknown() }).safeParse(content).data?.formatVersion;
  if (found !== formatVersion) {
    throw new TerminalError(
      'failed_precondition',
      `${path}: formatVersion: found ${JSON.stringify(found) ?? 'none'}; this version of gradus reads ${formatVersion}; ${howToBuild}`,
    );
  }
  const parsed = manifestSchema.safeParse(content);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TerminalError(
    'failed_precondition',
    `${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is wrong'}; ${howToBuild}`,
  );
}

export const howToBuild = 'build it anew with: gradus index build CORPUS --out DIR';

/** Written last, and at once: a directory without a manifest is not an index, and one with half of one is never seen. */
export async function writeManifest(directory: string, manifest: IndexManifest): Promise<void> {
  const text = `${JSON.stringify(manifestSchema.parse(manifest), null, 2)}\n`;
  const path = join(directory, manifestName);
  await writeFile(`${path}.new`, text, { flush: true });
  await rename(`${path}.new`, path);
}
