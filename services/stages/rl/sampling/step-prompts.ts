import type { Row } from '#proto/rollout/v1/task_pb.ts';
import { createPromptSampler } from '../../kit/prompt-sampler.ts';
import { createRandom } from '#platform/random.ts';
import type { StepPrompts, StepPromptsRequest } from '../../kit/step-prompts.ts';
import { promptPool } from '../prompt-pool.ts';
import type { RlStage } from '../schema.ts';
import { samplingOf } from './index.ts';
import type { ChosenSampling } from './index.ts';
import { learnedRates } from './learned-rates.ts';
import { ratesAfter } from './rates.ts';
import { weightedOrder } from './weighted-order.ts';

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
      const lane = draw < groups ? 'prompt' : 'replacement';
      const number = lane === 'prompt' ? stageStep * groups + draw : stageStep * (most - groups) + (draw - groups);
      const row = pool[drawn.index(lane, number, draw)];
      return row === undefined ? undefined : { row, name: `${lane}:${number}` };
    },
    learned: (asked) =>
      sampling === undefined
        ? { metrics: {}, facts: () => [] }
        : learnedRates(sampling, request, { groups: asked, metrics: drawn.metrics }),
  };
}

interface Drawn {
  /** Of the row in the pool: `number` counts over the stage, `draw` within the step. */
  index(lane: 'prompt' | 'replacement', number: number, draw: number): number;
  readonly metrics: Readonly<Record<string, number>>;
}

function inEpochs({ seed, label }: StepPromptsRequest, pool: readonly Row[]): Drawn {
  const sampler = (lane: 'prompt' | 'replacement') =>
    createPromptSampler({ seed, stage: label, lane, size: pool.length });
  const lanes = { prompt: sampler('prompt'), replacement: sampler('replacement') };
  return { metrics: {}, index: (lane, number) => lanes[lane].questionAt(number) };
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
