import type { MessageInitShape } from '@bufbuild/protobuf';
import { EngineState, type DescribeResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TransientError } from '#platform/errors.ts';
import type { EntryState } from '../engines/engine-pool.ts';
import type { PolicyContext } from '../service.ts';

const stateOf: Readonly<Record<EntryState, EngineState>> = {
  up: EngineState.UP,
  down: EngineState.DOWN,
  draining: EngineState.DRAINING,
};

/** What the engines that are up have in common; the bounds are those of the weakest. */
export function describe({ fleet, tokenizer }: PolicyContext): MessageInitShape<typeof DescribeResponseSchema> {
  const { known, entries, version, weightsPath, weightsDigest, load } = fleet.describe();
  const [first] = known;
  if (first === undefined)
    throw new TransientError('unavailable', `no engine has answered yet (${entries.length} known)`, {
      retryAfterMs: 500,
    });
  return {
    model: first.model,
    parameters: first.parameters,
    maxContextTokens: Math.min(...known.map((engine) => engine.maxContextTokens)),
    vocabularySize: first.vocabularySize,
    tokenizerHash: tokenizer.hash,
    tokenizerPath: tokenizer.path,
    version,
    weightsPath,
    weightsDigest,
    running: load.running ?? 0,
    waiting: load.waiting ?? 0,
    engines: entries.filter(({ state }) => state === 'up').length,
    load,
    engineList: entries.map((entry) => ({
      address: entry.address,
      state: stateOf[entry.state],
      version: entry.version,
      inFlight: entry.inFlight,
      ...(entry.load === undefined ? {} : { load: entry.load }),
    })),
  };
}
