import { TerminalError } from '#platform/errors.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { RetrievalConfig } from '../config.ts';
import { hashFile } from '#platform/files/hash-file.ts';
import { decideAbilities } from '../decide-abilities.ts';
import type { RetrievalEvents } from '../events.ts';
import type { HubSettings } from '../models/hub-settings.ts';
import { openModels } from '../open-models.ts';
import type { ServingRetriever } from '../serving/serving-retriever.ts';
import { encoderSettingsOf } from '../vectors/check-encoder.ts';
import { openLancedbRetriever, readPublished } from './open-lancedb-retriever.ts';

/** Serves what the config's `uri` names. Queries are read as the passages' vectors were made. */
export async function serveLancedb(
  config: RetrievalConfig,
  events: RetrievalEvents,
  ctx: Pick<ServiceContext, 'signal' | 'defer'>,
  hub: HubSettings,
): Promise<ServingRetriever> {
  const { uri, storageOptions, corpus } = config;
  if (uri === undefined) throw new TerminalError('invalid_argument', 'uri: missing; say where the index was published');
  const { vectors } = await readPublished({ uri, storageOptions });
  const models = await openModels(config, hub, ctx.signal, vectors === undefined ? {} : encoderSettingsOf(vectors));
  ctx.defer('models', models.dispose);
  const { retriever, stop } = await openLancedbRetriever({
    uri,
    storageOptions,
    settings: config,
    decide: (published) => decideAbilities(config, models, published),
    models,
    events,
    corpusSha256: corpus === undefined ? undefined : await hashFile(corpus, ctx.signal),
    onOpened: events.indexOpened,
  });
  ctx.defer('LanceDB index', stop);
  return retriever;
}
