import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  EngineState,
  type DescribeRequest,
  type DescribeResponseSchema,
  type EngineStatusSchema,
} from '#proto/policy/v1/policy_pb.ts';
import { TransientError } from '#platform/errors.ts';
import type { EngineMember } from '../engines/engine-member.ts';
import { formsOf, leastOf, outputOf } from '../engines/engine-output.ts';
import type { EngineEntry, EntryState } from '../engines/engine-pool.ts';
import type { PolicyContext } from '../service.ts';

const stateOf: Readonly<Record<EntryState, EngineState>> = {
  up: EngineState.UP,
  down: EngineState.DOWN,
  draining: EngineState.DRAINING,
};

/** What the engines that are up have in common; the bounds are those of the weakest. Throws TransientError before any engine has answered, unless asked for that. */
export function describe(
  { fleet, tokenizer }: PolicyContext,
  { beforeEngines }: DescribeRequest,
): MessageInitShape<typeof DescribeResponseSchema> {
  const { known, entries, members, version, weightsPath, weightsDigest, load } = fleet.describe();
  const [first] = known;
  if (first === undefined && !beforeEngines)
    throw new TransientError(
      'unavailable',
      entries.length === 0
        ? "no engine is known yet; add one with 'gradus engine add HOST:PORT'"
        : `no engine has answered yet: ${entries.map(({ address }) => `${address}: ${members.get(address)?.problem ?? ''}`).join('; ')}`,
      { retryAfterMs: 500 },
    );
  return {
    ...(first !== undefined && {
      model: first.model,
      parameters: first.parameters,
      maxContextTokens: Math.min(...known.map((engine) => engine.maxContextTokens)),
      vocabularySize: first.vocabularySize,
    }),
    tokenizerHash: tokenizer.hash,
    tokenizerPath: tokenizer.path,
    version,
    weightsPath,
    weightsDigest,
    running: load.running ?? 0,
    waiting: load.waiting ?? 0,
    engines: entries.filter(({ state }) => state === 'up').length,
    load,
    ...leastOf(known),
    forms: formsOf(known),
    fixedWeights: known.some(({ fixedWeights }) => fixedWeights),
    server: distinct(known.map(({ server }) => server)).join(', '),
    advice: distinct(known.flatMap(({ advice }) => advice)),
    engineList: entries.map((entry) => statusOf(entry, members.get(entry.address))),
  };
}

function statusOf(
  { address, state, version, inFlight, load }: EngineEntry,
  member: Pick<EngineMember, 'description' | 'problem'> | undefined,
): MessageInitShape<typeof EngineStatusSchema> {
  const said = member?.description;
  return {
    address,
    state: stateOf[state],
    version,
    inFlight,
    ...(load !== undefined && { load }),
    ...(said !== undefined && {
      output: outputOf(said),
      logprobKind: said.logprobKind,
      fixedWeights: said.fixedWeights,
      server: said.server,
      advice: said.advice,
      forms: said.forms,
    }),
    problem: state === 'down' ? (member?.problem ?? '') : '',
  };
}

function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts)].filter((text) => text !== '');
}
