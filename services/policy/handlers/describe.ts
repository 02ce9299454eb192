import type { MessageInitShape } from '@bufbuild/protobuf';
import { EngineState, type DescribeResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TransientError } from '#platform/errors.ts';
import type { SeatState } from '../engines/engine-pool.ts';
import type { PolicyContext } from '../service.ts';

const stateOf: Readonly<Record<SeatState, EngineState>> = {
  up: EngineState.UP,
  down: EngineState.DOWN,
  draining: EngineState.DRAINING,
};

/** What the engines that are up have in common; the bounds are those of the weakest. */
export function describe({ fleet, tokenizer }: PolicyContext): MessageInitShape<typeof DescribeResponseSchema> {
  const { known, seats, version, weightsPath, weightsDigest, load } = fleet.describe();
  const [first] = known;
  if (first === undefined)
    throw new TransientError('unavailable', `no engine has answered yet (${seats.length} known)`, {
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
    engines: seats.filter(({ state }) => state === 'up').length,
    load,
    engineList: seats.map((seat) => ({
      address: seat.address,
      state: stateOf[seat.state],
      version: seat.version,
      inFlight: seat.inFlight,
      ...(seat.load === undefined ? {} : { load: seat.load }),
    })),
  };
}
