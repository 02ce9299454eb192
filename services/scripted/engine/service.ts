import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { loadTokenizer } from '#chat/tokenizer.ts';
import type { ScriptedEngineConfig } from './config.ts';
import { type Engine, createEngine } from './engine/engine.ts';
import { createScriptedEngineEvents } from './events.ts';
import { generate } from './handlers/generate.ts';
import { createQuestionIndex } from './script/question-index.ts';
import { readQuestions } from './script/read-questions.ts';
import { createSearchScript } from './script/search-script.ts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  AbortRequest,
  AbortResponseSchema,
  DescribeResponseSchema,
  LoadVersionRequest,
  LoadVersionResponseSchema,
} from '#proto/policy/v1/policy_pb.ts';
import { EngineOutput } from '#proto/policy/v1/policy_pb.ts';
import { LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { checkRoots } from '#platform/files/check-roots.ts';
import { checkVersion } from '#weights/check-version.ts';
import { type EpochFence, createEpochFence } from '#weights/epoch-fence.ts';
import { checkWeights } from '#weights/manifest.ts';

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
  const fence = createEpochFence();
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics, security: ctx.security });
  server.add(EngineService, {
    describe: async () => ({ ...describe(engine), epoch: fence.highest }),
    generate: (request, call) => generate(engine, request, call.signal),
    abort: async (request) => abort(engine, request),
    loadVersion: (request) => loadVersion(engine, config.roots, fence, request),
  });
  const grpc = await server.listen(config.grpc);
  ctx.defer('gRPC server', () => server.drain(config.drainMs));
  ctx.log.info({ questions: questions.size }, 'a scripted policy answers: nothing here is a result');
  return { grpc };
}

function abort(engine: Engine, { requestId }: AbortRequest): MessageInitShape<typeof AbortResponseSchema> {
  if (requestId === '') throw new TerminalError('invalid_argument', 'request_id is empty; name the request to abort');
  return { aborted: engine.abort(requestId) };
}

export function describe(engine: Engine): MessageInitShape<typeof DescribeResponseSchema> {
  return {
    model: 'scripted',
    maxContextTokens: engine.maxContext,
    tokenizerHash: engine.tokenizer.hash,
    tokenizerPath: engine.tokenizer.path,
    version: engine.version,
    weightsPath: engine.weightsPath,
    weightsDigest: engine.weightsDigest,
    load: engine.load(),
    running: engine.running,
    waiting: engine.waiting,
    engines: 1,
    output: EngineOutput.LOGPROBS,
    logprobKind: LogprobKind.TEMPERED,
  };
}

/** Weights mean nothing here, but they have to be there as the learner wrote them. */
async function loadVersion(
  engine: Engine,
  roots: readonly string[],
  fence: EpochFence,
  { version, weightsPath, weightsDigest, epoch }: LoadVersionRequest,
): Promise<MessageInitShape<typeof LoadVersionResponseSchema>> {
  checkVersion(version, engine.version);
  fence.admit(epoch);
  const serves = version === engine.version && ['', engine.weightsDigest].includes(weightsDigest);
  // What it started with is nobody's weights: any digest of version 0 is right.
  if (version < engine.version || serves || version === 0n)
    return engine.loadVersion(version, engine.weightsPath, engine.weightsDigest);
  await checkRoots('weights_path', weightsPath, roots);
  return engine.loadVersion(version, weightsPath, await checkWeights(weightsPath, weightsDigest));
}
