import type { Row } from '#proto/rollout/v1/task_pb.ts';
import { createPromptSampler } from '#shared/domain/prompt-sampler.ts';
import { createRandom } from '#shared/domain/random.ts';
import { ratesAfter } from '#stages/rl/sampling/rates.ts';
import { samplingOf } from '#stages/rl/sampling/index.ts';
import type { ChosenSampling } from '#stages/rl/sampling/index.ts';
import { weightedOrder } from '#stages/rl/sampling/weighted-order.ts';
import type { RlStage } from '#stages/rl/schema.ts';

/** A row that is asked, and the name of its draw, which is part of its tasks' ids. */
export interface Draw {
  readonly row: Row;
  readonly name: string;
}

/** The prompts of one step of training. */
export interface StepPrompts {
  /** Draws 0..groups-1 are the step's own; the ones after replace groups that carry no signal. Pure (P8). */
  at(draw: number): Draw | undefined;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface StepPromptsParts {
  readonly stage: Pick<RlStage, 'prompts' | 'batch' | 'max_staleness'>;
  /** Of the stage and its round: seeds the draws. */
  readonly label: string;
  readonly seed: number;
  readonly stageStep: number;
  readonly pool: readonly Row[];
  /** What the kind's facts add up to. */
  readonly progress: unknown;
}

export function stepPrompts(parts: StepPromptsParts): StepPrompts {
  const { groups, max_generation_batches: batches } = parts.stage.batch;
  const most = groups * batches;
  const sampling = samplingOf(parts.stage.prompts.sampling);
  const rowAt = sampling === undefined ? inEpochs(parts) : byWeight(sampling, parts, most);
  return {
    metrics: rowAt.metrics,
    at(draw) {
      if (draw >= most) return undefined;
      const lane = draw < groups ? 'prompt' : 'replacement';
      const number =
        lane === 'prompt' ? parts.stageStep * groups + draw : parts.stageStep * (most - groups) + (draw - groups);
      const row = parts.pool[rowAt.index(lane, number, draw)];
      return row === undefined ? undefined : { row, name: `${lane}:${number}` };
    },
  };
}

interface Drawn {
  /** Of the row in the pool: `number` counts over the stage, `draw` within the step. */
  index(lane: 'prompt' | 'replacement', number: number, draw: number): number;
  readonly metrics: Readonly<Record<string, number>>;
}

function inEpochs({ seed, label, pool }: StepPromptsParts): Drawn {
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
  { stage, seed, label, pool, progress, stageStep }: StepPromptsParts,
  most: number,
): Drawn {
  const rates = ratesAfter(progress, stageStep - 1 - stage.max_staleness);
  const { weights, metrics } = sampling.weigh(pool, rates);
  const orders: Uint32Array[] = [];
  for (let drawn = 0; drawn < most; drawn += orders.at(-1)?.length ?? most) {
    // More draws than rows: another order of them all.
    orders.push(weightedOrder(weights, createRandom('prompts', seed, label, sampling.kind, stageStep, orders.length)));
  }
  const order = orders.flatMap((each) => [...each]);
  return { metrics, index: (_lane, _number, draw) => order[draw] ?? pool.length };
}
