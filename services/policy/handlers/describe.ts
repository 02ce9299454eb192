import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DescribeResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TransientError } from '#shared/errors.ts';
import type { PolicyContext } from '../service.ts';

/** What the engines that are up have in common; the bounds are those of the weakest. */
export function describe({ fleet, tokenizer }: PolicyContext): MessageInitShape<typeof DescribeResponseSchema> {
  const { engines, version, running, queued } = fleet.describe();
  const [first] = engines;
  if (first === undefined) throw new TransientError('unavailable', 'no engine is up', { retryAfterMs: 500 });
  return {
    model: first.model,
    parameters: first.parameters,
    maxContextTokens: Math.min(...engines.map((engine) => engine.maxContextTokens)),
    vocabularySize: first.vocabularySize,
    tokenizerHash: tokenizer.hash,
    tokenizerPath: tokenizer.path,
    version,
    running,
    waiting: queued + engines.reduce((sum, engine) => sum + engine.waiting, 0),
    engines: engines.length,
  };
}
