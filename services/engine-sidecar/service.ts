import { dirname, join, resolve } from 'node:path';
import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import { openArtefactReader } from '#artefacts/artefact-files.ts';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { engineKinds } from '#engines/index.ts';
import type { EngineKind } from '#engines/kit/engine-kind.ts';
import { createEpochFence } from '#weights/epoch-fence.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { type EngineSidecarConfig, serverGraceMs } from './config.ts';
import type { SidecarContext } from './context.ts';
import { createSidecarEvents } from './events.ts';
import { abort } from './handlers/abort.ts';
import { describe } from './handlers/describe.ts';
import { generate } from './handlers/generate.ts';
import { loadVersion } from './handlers/load-version.ts';
import { openServer } from './server/open-server.ts';
import { createLiveTurns } from './turn/live-turns.ts';
import { createTurnLine } from './turn/turn-line.ts';
import { readVocabularySize } from './server/vocabulary-size.ts';

export async function startEngineSidecar(
  config: EngineSidecarConfig,
  ctx: ServiceContext,
  variables: NodeJS.ProcessEnv,
  /** For tests; the static list otherwise. */
  kinds: readonly EngineKind[] = engineKinds,
): Promise<Readonly<Record<string, string>>> {
  const tokenizer = await loadTokenizer(resolve(config.tokenizer ?? join(config.model ?? '.', 'tokenizer.json')));
  const events = createSidecarEvents(ctx.log, ctx.metrics);
  const vocabularySize = await readVocabularySize(config.model ?? dirname(tokenizer.path));
  const artefacts = openArtefactReader(config, ctx);
  const { link, loads, give } = await openServer({ config, ctx, variables, tokenizer, artefacts, events, kinds });
  const line = createTurnLine(config.maxRunning, config.maxWaiting, () =>
    events.lineChanged(line.running, line.waiting),
  );
  const context: SidecarContext = {
    config,
    tokenizer,
    vocabularySize,
    link,
    loads,
    artefacts,
    fence: createEpochFence(),
    line,
    live: createLiveTurns(),
    events,
  };
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics, security: ctx.security });
  server.add(EngineService, {
    describe: async () => describe(context),
    generate: (request, call) => generate(context, request, call.signal),
    abort: async (request) => abort(context, request),
    loadVersion: (request) => loadVersion(context, give, request, ctx.signal),
  });
  const grpc = await server.listen(config.grpc);
  ctx.defer('gRPC server', () => server.drain(config.drainMs - serverGraceMs(config)));
  server.setServing(true);
  return { grpc };
}
