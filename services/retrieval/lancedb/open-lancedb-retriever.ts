import { availableParallelism } from 'node:os';
import { TerminalError } from '#platform/errors.ts';
import type { Abilities } from '../decide-abilities.ts';
import { startServing, type ServingEvents, type ServingParts, type ServingSettings } from '../serving/start-serving.ts';
import type { ServedIndex, ServingRetriever } from '../serving/serving-retriever.ts';
import type { LoadedIndex } from '../serving/generations.ts';
import { checkEncoder } from '../vectors/check-encoder.ts';
import { lancedbBm25, type BuildManifest } from './build-manifest.ts';
import { connectDatabase, type DatabasePlace } from './connect-database.ts';
import { openLancedbIndex, type LancedbIndex } from './lancedb-index.ts';
import { createLancedbExecutor } from './lancedb-executor.ts';
import { existsSync } from 'node:fs';
import { latestBuild, noIndex } from './builds.ts';

export interface LancedbRetrieverOptions extends DatabasePlace {
  readonly settings: ServingSettings;
  /** What can be done with vectors like these, or without any. */
  readonly decide: (vectors: BuildManifest['vectors']) => Abilities;
  readonly models: ServingParts<LancedbIndex>['models'];
  readonly events: ServingEvents;
  /** Refuses an index of any other corpus: SHA-256 of its file, lower-case hex. */
  readonly corpusSha256?: string | undefined;
  readonly onOpened?: ((index: LancedbIndex, missing: readonly string[], elapsedMs: number) => void) | undefined;
}

/** LanceDB works on so many calls a core at a time: most of a call over an object store is waiting. */
const callsPerCore = 4;

/** Serves what is published in a LanceDB database, behind the same queue, cache and hot swap as a local index. */
export async function openLancedbRetriever(
  options: LancedbRetrieverOptions,
): Promise<{ readonly retriever: ServingRetriever; stop(): Promise<void> }> {
  const { settings, decide, models, events, uri, corpusSha256, onOpened } = options;
  checkPlace(uri);
  const connection = await connectDatabase(options);
  try {
    const { retriever, stop } = await startServing<LancedbIndex>({
      settings,
      async load() {
        const startedMs = performance.now();
        const index = await openLancedbIndex(connection, uri);
        try {
          const { vectors } = index.manifest;
          checkCorpus(index.manifest, uri, corpusSha256);
          if (models.encoder !== undefined && vectors !== undefined) checkEncoder(vectors, models.encoder);
        } catch (error) {
          index.close();
          throw error;
        }
        const abilities = decide(index.manifest.vectors);
        onOpened?.(index, abilities.missing, performance.now() - startedMs);
        return servedIndex(index, abilities, models);
      },
      executors: {
        kind: 'other',
        start: () => createLancedbExecutor(settings.maxMs),
        count: callsPerCore * availableParallelism(),
        maxBatch: 1,
      },
      models,
      events,
    });
    return {
      retriever,
      async stop() {
        await stop();
        connection.close();
      },
    };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Another corpus would answer, only wrongly. */
function checkCorpus({ corpus }: BuildManifest, uri: string, corpusSha256: string | undefined): void {
  if (corpusSha256 === undefined || corpusSha256 === corpus.sha256) return;
  throw new TerminalError(
    'failed_precondition',
    `uri: ${uri}: is an index of another corpus: found SHA-256 ${corpus.sha256} (${corpus.path}), expected ${corpusSha256}; ` +
      'publish an index of this corpus',
  );
}

function servedIndex(
  index: LancedbIndex,
  { missing, ...abilities }: Abilities,
  models: ServingParts<LancedbIndex>['models'],
): LoadedIndex<LancedbIndex> & ServedIndex {
  const { manifest, indexVersion, bytes } = index;
  return {
    indexVersion,
    data: index,
    close: () => index.close(),
    abilities,
    description: {
      documents: manifest.corpus.pages,
      passages: manifest.corpus.passages,
      terms: manifest.terms,
      indexVersion,
      indexBytes: bytes,
      corpusPath: manifest.corpus.path,
      analyzer: manifest.settings.analyzer,
      ...lancedbBm25,
      defaultMode: abilities.defaultMode,
      defaultRerank: abilities.defaultRerank,
      encoder: models.encoder?.id ?? '',
      reranker: models.crossEncoder?.id ?? '',
      missing,
      backend: 'lancedb',
    },
  };
}

/** What is published there now. */
export async function readPublished(place: DatabasePlace): Promise<BuildManifest> {
  checkPlace(place.uri);
  const connection = await connectDatabase(place);
  try {
    return (await latestBuild(connection, place.uri)).manifest;
  } finally {
    connection.close();
  }
}

/** LanceDB would make a directory that is not there; a typing error should not. */
export function checkPlace(uri: string): void {
  if (uri.includes('://') || uri === '' || existsSync(uri)) return;
  throw noIndex(uri);
}
