import type { FetchRequest, PutRequest, RetainRequest } from '#proto/artefacts/v1/artefacts_pb.ts';
import { ArtefactService } from '#proto/artefacts/v1/artefacts_service_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { checkRoots } from '#platform/files/check-roots.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { connectNats } from '#platform/nats/connect.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { artefactKinds, parseDigest } from './artefact.ts';
import type { BlobStore } from './blob-store.ts';
import type { ArtefactsConfig } from './config.ts';
import { createArtefactEvents } from './events.ts';
import type { ArtefactEvents } from './events.ts';
import { fetchArtefact } from './fetch-artefact.ts';
import { digestIn } from './location.ts';
import { openStore } from './open-store.ts';
import type { StoreAccess } from './open-store.ts';
import { putArtefact } from './put-artefact.ts';
import { retainArtefacts } from './retain.ts';

/** The store, for the services of this machine: they name files that they share with it, and it moves them. */
export async function startArtefacts(
  config: ArtefactsConfig,
  ctx: ServiceContext,
  keys: Pick<StoreAccess, 'accessKeyId' | 'secretAccessKey'> = {},
): Promise<{ grpc: string }> {
  const { log, metrics, security, signal } = ctx;
  const store = await openStore(config.store, {
    ...keys,
    maxBytes: config.storeMaxBytes,
    async nats() {
      const nats = await connectNats({
        url: config.natsUrl,
        replicas: config.natsReplicas,
        name: 'gradus-artefacts',
        log,
        signal,
        metrics,
        security,
      });
      ctx.defer('NATS', () => nats.close());
      return nats;
    },
  });
  log.info({ store: store.url }, 'the store is open');
  const parts = { config, store, events: createArtefactEvents(metrics, log) };
  for (const entry of config.fetch) await fetchFirst(parts, entry, signal);
  const server = createGrpcServer({ log, metrics, security });
  ctx.defer('gRPC server', () => server.drain(config.drainMs));
  server.add(ArtefactService, {
    put: (request, call) => put(parts, request, call.signal),
    fetch: (request, call) => fetch(parts, request, call.signal),
    retain: (request, call) => retain(parts, request, call.signal),
  });
  return { grpc: await server.listen(config.grpc) };
}

interface Parts {
  readonly config: ArtefactsConfig;
  readonly store: BlobStore;
  readonly events: ArtefactEvents;
}

async function put({ config, store, events }: Parts, request: PutRequest, signal: AbortSignal) {
  const { path, runId, isFinal } = request;
  const kind = artefactKinds.find((each) => each === request.kind);
  if (kind === undefined)
    throw new TerminalError(
      'invalid_argument',
      `kind is '${request.kind}'; it must be one of ${artefactKinds.join(', ')}`,
    );
  await checkRoots('path', path, config.roots);
  const startedMs = performance.now();
  const done = await putArtefact(store, path, { kind, runId, isFinal, signal, concurrency: config.concurrency });
  events.moved('put', { ...done, movedBytes: done.writtenBytes, kind, startedMs });
  return { digest: done.digest, sizeBytes: BigInt(done.sizeBytes), writtenBytes: BigInt(done.writtenBytes) };
}

/** `DIRECTORY=artefact:DIGEST`, as the config has checked it. */
async function fetchFirst(parts: Parts, entry: string, signal: AbortSignal): Promise<void> {
  const [directory = '', location = ''] = entry.split('=');
  await fetchInto(parts, 'fetch', { directory, digest: digestIn(location) ?? '' }, signal);
}

async function fetch(parts: Parts, { directory, digest }: FetchRequest, signal: AbortSignal) {
  return { readBytes: BigInt(await fetchInto(parts, 'directory', { directory, digest: parseDigest(digest) }, signal)) };
}

async function fetchInto(
  { config, store, events }: Parts,
  field: string,
  { directory, digest }: { readonly directory: string; readonly digest: string },
  signal: AbortSignal,
): Promise<number> {
  await checkRoots(field, directory, config.roots);
  const startedMs = performance.now();
  const { artefact, readBytes } = await fetchArtefact(store, digest, directory, {
    signal,
    concurrency: config.concurrency,
  });
  events.moved('fetch', { digest, movedBytes: readBytes, kind: artefact.kind, startedMs });
  return readBytes;
}

async function retain({ store, events }: Parts, { runId, keep, minAgeMs }: RetainRequest, signal: AbortSignal) {
  if (runId === '') throw new TerminalError('invalid_argument', 'run_id is empty; name the run whose artefacts may go');
  const olderThanMs = Date.now() - Number(minAgeMs);
  const done = await retainArtefacts(store, { runId, keep: new Set(keep.map(parseDigest)), olderThanMs, signal });
  events.removed(runId, done);
  return { removedArtefacts: done.removedArtefacts, removedBytes: BigInt(done.removedBytes) };
}
