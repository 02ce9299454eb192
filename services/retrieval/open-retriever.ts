import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { RetrievalConfig } from './config.ts';
import { decideAbilities } from './decide-abilities.ts';
import type { RetrievalEvents } from './events.ts';
import { readManifest } from './index/manifest.ts';
import { closeIndex } from './index/open-index.ts';
import { hubSettingsFrom, type HubSettings } from './models/hub-settings.ts';
import { openIndexSource } from './open-index-source.ts';
import { modelThreads, openModels, type Models } from './open-models.ts';
import type { LoadedIndex } from './serving/generations.ts';
import { openPassageReader, type SearchData } from './serving/open-passage-reader.ts';
import type { ServedIndex, ServingRetriever } from './serving/serving-retriever.ts';
import { startServing } from './serving/start-serving.ts';
import { encoderSettingsOf } from './vectors/check-encoder.ts';

/** What the config asks for, ready to answer: the same for the service and for MCP over stdio. */
export async function openRetriever(
  config: RetrievalConfig,
  events: RetrievalEvents,
  ctx: ServiceContext,
  hub: HubSettings = hubSettingsFrom({}),
): Promise<ServingRetriever> {
  if (config.backend === 'lancedb') {
    // Loaded only when asked for: its library takes a part of a second.
    const { serveLancedb } = await import('./lancedb/serve-lancedb.ts');
    return await serveLancedb(config, events, ctx, hub);
  }
  const vectors = config.index === undefined ? undefined : (await readManifest(config.index)).vectors;
  const settings = vectors === undefined ? {} : encoderSettingsOf(vectors);
  const models = await openModels(config, hub, ctx.signal, settings);
  ctx.defer('models', models.dispose);
  const { retriever, stop } = await startServing<SearchData>({
    settings: config,
    load: async () => await loadIndex(config, models, events, ctx.signal),
    executors: {
      kind: 'threads',
      openReader: openPassageReader,
      threadEntry: new URL('./serving/search-thread.ts', import.meta.url),
    },
    models,
    events,
  });
  ctx.defer('search threads and index', stop);
  return retriever;
}

async function loadIndex(
  config: RetrievalConfig,
  models: Models,
  events: RetrievalEvents,
  signal: AbortSignal,
): Promise<LoadedIndex<SearchData> & ServedIndex> {
  const startedMs = performance.now();
  const { index, vectors } = await openIndexSource(config, models.encoder, signal);
  const { manifest, indexVersion, k1, b, bytes } = index;
  const { missing, ...abilities } = decideAbilities(config, models, manifest.vectors);
  events.indexOpened(index, missing, performance.now() - startedMs);
  return {
    indexVersion,
    data: { index, vectors, vectorThreads: vectorThreads(config) },
    close: () => closeIndex(index),
    abilities,
    description: {
      documents: manifest.corpus.pages,
      passages: manifest.corpus.passages,
      terms: manifest.terms,
      indexVersion,
      indexBytes: bytes + (manifest.vectors?.bytes ?? 0),
      corpusPath: manifest.corpus.path,
      analyzer: manifest.settings.analyzer,
      k1,
      b,
      defaultMode: abilities.defaultMode,
      defaultRerank: abilities.defaultRerank,
      encoder: models.encoder?.id ?? '',
      reranker: models.crossEncoder?.id ?? '',
      missing,
      backend: 'local',
    },
  };
}

/** Search threads compare vectors at the same time. */
function vectorThreads(config: RetrievalConfig): number {
  return Math.max(1, Math.floor(modelThreads(config) / Math.max(1, config.searchThreads)));
}
