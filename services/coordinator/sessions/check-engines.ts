import { type DescribeResponse, EngineOutput, EngineState } from '#proto/policy/v1/policy_pb.ts';
import type { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import type { Recipe, StageRecipe } from '#recipe/schema.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import { hasRollouts } from '#stages/kit/rollout-stages.ts';

type Gives = Pick<DescribeResponse, 'output' | 'logprobKind' | 'fixedWeights' | 'server' | 'advice'>;
type Described = Gives & Pick<DescribeResponse, 'engineList'>;

/**
 * Whether the engines that are up can do what a stage needs: token ids with log-probabilities where it trains on rollouts, other weights where
 * the policy changes. One that can is enough, the gateway keeps to it. Throws TransientError where only engines that are down can, by what they said
 * last, or have yet to say it: a restart heals that. Throws TerminalError('failed_precondition') that names each engine, what it lacks, and what to
 * switch on, where none can.
 */
export function checkEngines(stage: StageRecipe, described: Described): void {
  if (!kindOf(stage).changesPolicy) return;
  const { engineList } = described;
  // What stands behind an endpoint is no list.
  const engines = engineList.length > 0 ? engineList : [thePolicy(described)];
  const found = engines.map((engine) => ({ ...engine, lacks: lackOf(stage, engine) }));
  const able = found.filter(({ lacks }) => lacks === undefined);
  if (able.some(({ state }) => state === EngineState.UP)) return;
  const returning = able.filter(({ state }) => state === EngineState.DOWN);
  if (returning.length > 0) {
    const each = returning.map(({ address, problem }) => `${address} is down: ${problem}`);
    throw new TransientError(
      'unavailable',
      `stage ${stage.name} waits for an engine that can do what it needs; ${each.join('; ')}`,
      { retryAfterMs: 500 },
    );
  }
  const each = found.map(({ address, server, lacks = 'is being removed', advice }) =>
    [`${address}${server === '' ? '' : ` (${server})`} ${lacks}`, ...advice].join('. '),
  );
  throw new TerminalError(
    'failed_precondition',
    `stage ${stage.name} cannot begin: ${each.join('; ')}. Change that, or add an engine that can ('gradus engine add HOST:PORT'), then start or resume the run`,
  );
}

const thePolicy = (described: Gives) => ({ ...described, address: 'the policy', state: EngineState.UP, problem: '' });

const describeTimeoutMs = 10_000;

/**
 * The same for every stage of a recipe, before a run of it starts. A policy that does not answer now, or whose engines are down, is asked again as each
 * stage begins.
 */
export async function checkEnginesOf(
  { stages }: Pick<Recipe, 'stages'>,
  policy: Pick<GrpcClient<typeof PolicyService>, 'describe'>,
  signal: AbortSignal,
): Promise<void> {
  const passes = (thrown: unknown): undefined => {
    const error = errorFrom(thrown);
    if (error instanceof TransientError || error.code === 'deadline_exceeded') return undefined;
    throw error;
  };
  const described = await policy.describe({}, { signal, timeoutMs: describeTimeoutMs }).catch(passes);
  if (described === undefined) return;
  for (const stage of stages) {
    try {
      checkEngines(stage, described);
    } catch (thrown) {
      passes(thrown);
    }
  }
}

/** Undefined where nothing is missing. */
function lackOf(stage: StageRecipe, { output, logprobKind, fixedWeights }: Gives): string | undefined {
  if (fixedWeights) return 'has weights that cannot be replaced, and the stage changes the policy';
  if (!hasRollouts(stage) || kindOf(stage).stepPrompts === undefined) return undefined;
  switch (output) {
    case EngineOutput.TEXT:
      return 'gives text alone, and training needs token ids with log-probabilities';
    case EngineOutput.TOKENS:
      return 'gives token ids without log-probabilities, and training needs these';
    case EngineOutput.LOGPROBS:
    case EngineOutput.UNSPECIFIED: {
      const { temperature } = stage.sampling;
      return logprobKind === LogprobKind.RAW && temperature !== 1
        ? `gives raw log-probabilities, and the stage samples at temperature ${temperature}`
        : undefined;
    }
  }
}
