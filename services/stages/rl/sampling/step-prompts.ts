import type { Row } from '#proto/rollout/v1/task_pb.ts';
import { createPromptSampler } from '../../kit/prompt-sampler.ts';
import { type Random, createRandom } from '#platform/random.ts';
import type { AskedGroup, Learned, StepPrompts, StepPromptsRequest } from '../../kit/step-prompts.ts';
import { promptPool } from '../prompt-pool.ts';
import type { RlStage } from '../schema.ts';
import { type ChosenSampling, samplingOf } from './index.ts';
import { movedRates, ratesAfter, ratesFacts } from './rates.ts';
import { meanOf } from '#rewards/advantages.ts';

type DrawingStage = Pick<RlStage, 'name' | 'prompts' | 'batch' | 'max_staleness'>;

/** The prompts of a step: in epochs, or by the weights of the stage's sampling. Throws TerminalError where the rows do not fit the stage. */
export function stepPrompts(stage: DrawingStage, request: StepPromptsRequest): StepPrompts {
  const { groups, max_generation_batches: batches } = stage.batch;
  const { stageStep } = request;
  const most = groups * batches;
  const sampling = samplingOf(stage.prompts.sampling);
  const pool = promptPool(stage, request.rows);
  const drawn =
    sampling === undefined ? inEpochs(request, pool) : byWeight(sampling, stage.max_staleness, request, pool, most);
  return {
    at(draw) {
      if (draw >= most) return undefined;
      const sequence = draw < groups ? 'prompt' : 'replacement';
      const number = sequence === 'prompt' ? stageStep * groups + draw : stageStep * (most - groups) + (draw - groups);
      const row = pool[drawn.index(sequence, number, draw)];
      return row === undefined ? undefined : { row, name: `${sequence}:${number}` };
    },
    learned: (asked) =>
      sampling === undefined
        ? { metrics: {}, facts: () => [] }
        : learnedRates(sampling, request, { groups: asked, metrics: drawn.metrics }),
  };
}

interface Drawn {
  /** Of the row in the pool: `number` counts over the stage, `draw` within the step. */
  index(sequence: 'prompt' | 'replacement', number: number, draw: number): number;
  readonly metrics: Readonly<Record<string, number>>;
}

function inEpochs({ seed, label }: StepPromptsRequest, pool: readonly Row[]): Drawn {
  const sampler = (sequence: 'prompt' | 'replacement') =>
    createPromptSampler({ seed, stage: label, sequence, size: pool.length });
  const sequences = { prompt: sampler('prompt'), replacement: sampler('replacement') };
  return { metrics: {}, index: (sequence, number) => sequences[sequence].questionAt(number) };
}

/**
 * By the rates after the newest step that is certainly decided when this one begins, whatever else is by now: how fast rollouts and training
 * are may not decide what is asked (P8).
 */
function byWeight(
  sampling: ChosenSampling,
  maxStaleness: number,
  { seed, label, progress, stageStep }: StepPromptsRequest,
  pool: readonly Row[],
  most: number,
): Drawn {
  const rates = ratesAfter(progress, stageStep - 1 - maxStaleness);
  const { weights, metrics } = sampling.weigh(pool, rates);
  const orders: Uint32Array[] = [];
  for (let drawn = 0; drawn < most; drawn += orders.at(-1)?.length ?? most) {
    // More draws than rows: another order of them all.
    orders.push(weightedOrder(weights, createRandom('prompts', seed, label, sampling.kind, stageStep, orders.length)));
  }
  const order = orders.flatMap((each) => [...each]);
  return { metrics, index: (_lane, _number, draw) => order[draw] ?? pool.length };
}

/** The rates after a step that asked `groups`. `metrics` are those of the draws. */
function learnedRates(
  sampling: ChosenSampling,
  { stageStep, primaryMetric }: Pick<StepPromptsRequest, 'stageStep' | 'primaryMetric'>,
  { groups, metrics }: { readonly groups: readonly AskedGroup[]; readonly metrics: Readonly<Record<string, number>> },
): Learned {
  const metric = sampling.metric ?? primaryMetric;
  const scores = groups.flatMap(({ row, components }) => {
    const values = components.flatMap((given) => given[metric] ?? []);
    return values.length === 0 ? [] : [{ key: sampling.keyOf(row), score: meanOf(values) }];
  });
  return {
    metrics: { ...metrics, ...sampling.outcome(groups) },
    facts: (progress) =>
      ratesFacts(stageStep, movedRates(ratesAfter(progress, stageStep - 1), scores, sampling.newestWeight)),
  };
}

/**
 * Indexes of the positive weights in random order, drawn without replacement: each next one with a probability in proportion to its weight
 * among those that are left. By exponential keys -ln(u) / weight, ascending (Efraimidis and Spirakis 2006, algorithm A).
 */
export function weightedOrder(weights: readonly number[], random: Random): Uint32Array {
  const keys = weights.map((weight) => {
    // One draw for every index, so that a weight that becomes 0 does not move the draws of the others.
    const uniform = (random(2 ** 32 - 1) + 1) / 2 ** 32;
    return weight > 0 ? -Math.log(uniform) / weight : Infinity;
  });
  const order = Uint32Array.from(keys.flatMap((key, index) => (key < Infinity ? [index] : [])));
  return order.sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0) || a - b);
}
