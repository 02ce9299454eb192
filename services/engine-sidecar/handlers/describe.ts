import type { MessageInitShape } from '@bufbuild/protobuf';
import { EngineOutput, type DescribeResponseSchema, type EngineLoadSchema } from '#proto/policy/v1/policy_pb.ts';
import type { OutputLevel } from '#engines/kit/engine-server.ts';
import type { SidecarContext } from '../context.ts';
import { formKindToProto } from '../turn/form-kind.ts';
import { logprobKind } from '../turn/read-turn.ts';

const outputs: Readonly<Record<OutputLevel, EngineOutput>> = {
  text: EngineOutput.TEXT,
  tokens: EngineOutput.TOKENS,
  logprobs: EngineOutput.LOGPROBS,
};

/** Requests are counted here, where each one passes; memory is what the server said last. */
export function loadOf({ config, line, link }: SidecarContext): MessageInitShape<typeof EngineLoadSchema> {
  return {
    running: line.running,
    waiting: line.waiting,
    capacity: config.maxRunning,
    kvUsedRatio: link.load?.kvUsedRatio ?? 0,
    preemptions: link.load?.preemptions ?? 0n,
  };
}

/** Answered without asking the server, so that a busy one passes a probe. Throws TransientError with what is wrong while the server is not to be used. */
export function describe(context: SidecarContext): MessageInitShape<typeof DescribeResponseSchema> {
  const { config, tokenizer, link, loads, fence, vocabularySize } = context;
  link.required();
  const { description } = link;
  const { version, weightsPath, weightsDigest } = loads.served;
  const load = loadOf(context);
  return {
    model: description.model,
    maxContextTokens: link.maxContext(config.maxContext),
    vocabularySize,
    tokenizerHash: tokenizer.hash,
    tokenizerPath: tokenizer.path,
    version,
    weightsPath,
    weightsDigest,
    epoch: fence.highest,
    running: load.running ?? 0,
    waiting: load.waiting ?? 0,
    engines: 1,
    load,
    output: outputs[description.output],
    // At another temperature than 1 raw ones are of no use to training, so that is what is said.
    ...(description.output === 'logprobs' && { logprobKind: logprobKind(description, 2) }),
    fixedWeights: !loads.possible,
    server: description.program,
    advice: [...description.advice],
    forms: (description.forms ?? []).map(formKindToProto),
  };
}
