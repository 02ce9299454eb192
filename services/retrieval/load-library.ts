import { createAnalyzer } from './analyzer/analyzer.ts';
import type { RetrievalConfig } from './config.ts';
import { loadCorpus } from './corpus/load-corpus.ts';
import type { RetrievalEvents } from './events.ts';
import { indexCorpus } from './index/index-corpus.ts';
import { createLibrary, type Library } from './library.ts';

export type LibrarySettings = Pick<RetrievalConfig, 'corpus' | 'analyzer' | 'k1' | 'b'>;

/** Reads and indexes the corpus that the settings name. */
export async function loadLibrary(
  settings: LibrarySettings,
  events: RetrievalEvents,
  signal: AbortSignal,
): Promise<Library> {
  const started = performance.now();
  const corpus = await loadCorpus(settings.corpus, signal);
  const loaded = performance.now();
  const { k1, b } = settings;
  const library = createLibrary(corpus, indexCorpus(corpus, { analyzer: createAnalyzer(settings.analyzer), k1, b }));
  events.indexBuilt(library, loaded - started, performance.now() - loaded);
  return library;
}
