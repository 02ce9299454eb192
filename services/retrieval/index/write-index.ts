import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { TerminalError, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import { readPages, type Page } from '../corpus/read-pages.ts';
import { createIndexFiles } from './index-files.ts';
import { formatVersion, writeManifest, type IndexManifest, type IndexSettings } from './manifest.ts';
import { mergeRuns } from './merge-runs.ts';
import { createPageIndexer } from './page-indexer.ts';
import { passagePenalties } from './bm25-formula.ts';
import { createPostingsWriter } from './postings-writer.ts';

export interface BuildProgress {
  readonly phase: 'reading' | 'merging';
  /** Pages read so far. */
  readonly pages: number;
  readonly passages: number;
  /** Bytes of the corpus read so far. */
  readonly bytes: number;
  /** Terms written so far. */
  readonly terms: number;
}

export interface WriteIndexOptions {
  readonly corpusPath: string;
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const badLinesShown = 10;
const pagesPerProgress = 1_000;
const termsPerProgress = 10_000;

/** Writes all files of an index into an empty directory, the manifest last. What failed is left for the caller to remove. */
export async function writeIndex(
  directory: string,
  settings: IndexSettings,
  { corpusPath, onProgress, signal }: WriteIndexOptions,
): Promise<IndexManifest> {
  const path = resolve(corpusPath);
  const files = createIndexFiles(directory);
  try {
    const indexer = createPageIndexer(files.writers, settings, directory);
    const hash = createHash('sha256');
    const badLines: { count: number; first: { line: number; problem: string }[] } = { count: 0, first: [] };
    let bytes = 0;
    let terms = 0;
    const report = (phase: BuildProgress['phase']): void =>
      onProgress?.({ phase, pages: indexer.pages(), passages: indexer.passages(), bytes, terms });
    const takeBadLine = (error: TerminalError, line: number): void => {
      badLines.count += 1;
      const problem = error.message.replace(`${path}:${line}: `, '');
      if (badLines.first.length < badLinesShown) badLines.first.push({ line, problem });
    };

    const addPage = (page: Page): void => {
      try {
        indexer.add(page);
      } catch (thrown) {
        const error = errorFrom(thrown);
        // A fault of ours is found by the page that shows it.
        if (error.code !== 'internal') throw error;
        throw new TerminalError('internal', `${path}:${page.line}: ${error.message}`, { cause: thrown });
      }
    };
    const pages = readPages(path, {
      check: indexer.refuse,
      onBadLine: settings.onBadLine === 'skip' ? takeBadLine : undefined,
      onBytes: (chunk) => {
        hash.update(chunk);
        bytes += chunk.length;
      },
      signal,
    });
    for await (const page of pages) {
      addPage(page);
      if (indexer.pages() % pagesPerProgress === 0) report('reading');
    }
    report('reading');
    if (indexer.pages() === 0) throw emptyCorpus(path, badLines.count);
    const { lengths, words, runs } = indexer.finish();

    const postings = createPostingsWriter(files.writers, passagePenalties(lengths, words, settings));
    const onTerm = (): void => {
      terms += 1;
      if (terms % termsPerProgress === 0) report('merging');
    };
    await mergeRuns(runs, postings, onTerm, signal);
    const counts = postings.finish();
    report('merging');
    for (const run of runs) await rm(run);
    throwIfCancelled(signal);

    const { analyzer, k1, b, titleBoost, chunk } = settings;
    const manifest: IndexManifest = {
      formatVersion,
      builder: '0.1.0',
      corpus: { path, sha256: hash.digest('hex'), pages: indexer.pages(), passages: indexer.passages() },
      badLines,
      settings: { analyzer, k1, b, titleBoost, ...(chunk !== undefined && { chunk }) },
      ...counts,
      words,
      files: files.finish(),
    };
    await writeManifest(directory, manifest);
    return manifest;
  } finally {
    files.abandon();
  }
}

function emptyCorpus(path: string, badLines: number): TerminalError {
  const skipped = badLines === 0 ? '' : ` (${badLines} bad lines were skipped)`;
  return new TerminalError(
    'invalid_argument',
    `${path}: holds no documents${skipped}; give a corpus with one JSON object per line`,
  );
}
