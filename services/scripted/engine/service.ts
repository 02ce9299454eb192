import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { loadTokenizer } from '#chat/tokenizer.ts';
import type { ScriptedEngineConfig } from './config.ts';
import { createEngine } from './engine/engine.ts';
import { createScriptedEngineEvents } from './events.ts';
import { abort } from './handlers/abort.ts';
import { describe } from './handlers/describe.ts';
import { generate } from './handlers/generate.ts';
import { loadVersion } from './handlers/load-version.ts';
import { createQuestionIndex } from './script/question-index.ts';
import { readQuestions } from './script/read-questions.ts';
import { createSearchScript } from './script/search-script.ts';

export async function startScriptedEngine(
  config: ScriptedEngineConfig,
  ctx: ServiceContext,
): Promise<Readonly<Record<string, string>>> {
  const tokenizer = await loadTokenizer(config.tokenizer);
  const known = await readQuestions(config.questions, config.questionsFormat, config.corpus);
  const questions = createQuestionIndex(known, (question) =>
    tokenizer.encode(config.promptTemplate.replaceAll('{question}', () => question)),
  );
  const events = createScriptedEngineEvents(ctx.metrics);
  const engine = createEngine({
    ...config,
    tokenizer,
    script: createSearchScript({ ...config, questions, onUnknownPrompt: events.promptUnknown }),
    events,
  });
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics });
  server.add(EngineService, {
    describe: async () => describe(engine),
    generate: (request, call) => generate(engine, request, call.signal),
    abort: async (request) => abort(engine, request),
    loadVersion: (request) => loadVersion(engine, config.roots, request),
  });
  const grpc = await server.listen(config.grpc);
  ctx.defer('gRPC server', () => server.drain(config.drainMs));
  ctx.log.info({ questions: questions.size }, 'a scripted policy answers: nothing here is a result');
  return { grpc };
}
