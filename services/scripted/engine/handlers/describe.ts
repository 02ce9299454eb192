import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DescribeResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import type { Engine } from '../engine/engine.ts';

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
  };
}
