import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openArtefactReader } from '#artefacts/artefact-files.ts';
import { isStored } from '#artefacts/location.ts';
import { TerminalError } from '#platform/errors.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { RetrievalConfig } from './config.ts';

/**
 * The config with paths of this machine in the place of artefacts: corpus and index are fetched once, into the service's folder, and compared with
 * their digests. Throws TerminalError for a corpus that is not one file.
 */
export async function fetchInputs(
  config: RetrievalConfig,
  ctx: Pick<ServiceContext, 'log' | 'security' | 'signal' | 'defer'>,
): Promise<RetrievalConfig> {
  const { corpus = '', index = '' } = config;
  const stored = [corpus, index].filter(isStored);
  if (stored.length === 0) return config;
  const artefacts = openArtefactReader(config, ctx);
  const places = new Map<string, string>();
  for (const location of stored) {
    const place = await artefacts.fetch(location, ctx.signal);
    ctx.log.info({ location, place }, 'an artefact is fetched');
    places.set(location, place);
  }
  // What an earlier start fetched and nobody asks for now.
  await artefacts.keepOnly(stored);
  const corpusPlace = places.get(corpus);
  return {
    ...config,
    ...(corpusPlace !== undefined && { corpus: await onlyFileOf(corpusPlace, corpus) }),
    ...(places.has(index) && { index: places.get(index) }),
  };
}

async function onlyFileOf(directory: string, location: string): Promise<string> {
  const names = await readdir(directory);
  const [name = ''] = names;
  if (names.length === 1) return join(directory, name);
  throw new TerminalError(
    'invalid_argument',
    `corpus is ${location}, which holds ${names.length} files (${names.slice(0, 3).join(', ')}); put the file of the corpus alone (gradus artefact put FILE --kind corpus), or name an index with --index`,
  );
}
