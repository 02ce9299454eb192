import { idleRoles } from '#rewards/metric-names.ts';
import type { Gather } from '../kit/stage-context.ts';
import type { StageKind, StageView } from '../kit/stage-kind.ts';
import { checkRl } from './check.ts';
import { batchOfRl } from './batch.ts';
import { nextOfRl } from './next.ts';
import { poolProblems, promptPool, taggedRows } from './prompt-pool.ts';
import { rememberedMetrics, samplingOf } from './sampling/index.ts';
import { promptMetrics } from './sampling/prompt-sampling.ts';
import { foldRates } from './sampling/rates.ts';
import { stepPrompts } from './sampling/step-prompts.ts';
import { rlSchema } from './schema.ts';

const ownRows = 'prompts';
/** Why a stage ended that had nothing left to learn from. */
const nothingToLearn = 'nothing_to_learn';

/** Reinforcement learning: steps of rollouts and updates until the steps, a plateau or a budget end it, or no group of a batch varies. */
export const rl: StageKind<typeof rlSchema, Gather> = {
  kind: 'rl',
  schema: rlSchema,
  changesPolicy: true,
  needsLearner: true,
  needsReference: ({ algorithm }) => algorithm.kl_coefficient > 0,
  leaves: ['weights', 'rollouts'],
  check: checkRl,
  checkRows: poolProblems,
  uses: ({ prompts: { rows } }) =>
    rows !== undefined && 'stage' in rows
      ? [{ path: ['prompts', 'rows', 'stage'], stage: rows.stage, artefact: 'rows' }]
      : [],
  filesHold: 'rows',
  files: ({ prompts: { rows } }) => (rows !== undefined && 'path' in rows ? { [ownRows]: rows.path } : {}),
  checkFiles: async (stage, { [ownRows]: path }) => {
    if (path !== undefined) promptPool(stage, await taggedRows(path));
  },
  ownRows: ({ prompts: { rows } }) =>
    rows === undefined ? undefined : 'path' in rows ? { file: ownRows } : { stage: rows.stage },
  estimate({ until, batch, algorithm }) {
    const rollouts = until.steps * batch.groups * batch.group_size;
    return {
      steps: until.steps,
      groups: batch.groups,
      groupSize: batch.group_size,
      rollouts,
      mostRollouts: rollouts * (algorithm.dynamic_sampling ? batch.max_generation_batches : 1),
    };
  },
  fold: foldRates,
  stepPrompts,
  remembers: [...rememberedMetrics, idleRoles],
  prompts: ({ steps }) => promptMetrics(steps.at(-1)?.metrics ?? {}),
  warnings: ({ prompts, until, algorithm, max_staleness: staleness }, { steps, finished }) => [
    ...(samplingOf(prompts.sampling)?.warnings(steps.map(({ metrics }) => metrics)) ?? []),
    ...(finished?.reason === nothingToLearn
      ? [
          `ended after ${steps.length} of ${until.steps} steps: no group of the next batch had rewards that vary, so nothing was left to learn; ask rows that the policy answers sometimes (prompts.where, prompts.sampling), more samples of each (batch.group_size), or reward parts of an answer too`,
        ]
      : []),
    ...idleRoleWarnings(steps),
    ...(staleness > 0 && algorithm.mismatch_correction === 'none'
      ? [
          `samples of up to ${staleness} versions ago are trained on as if they were of the present one: algorithm.mismatch_correction is none; auto corrects them by tis`,
        ]
      : []),
  ],
  maxSkippedSteps: ({ algorithm }) => algorithm.max_skipped_steps,
  next: nextOfRl,
  batch: batchOfRl,
  async run(context, stage) {
    const end = await context.trainOnRollouts(stage);
    switch (end) {
      case 'drained':
        return { kind: 'done' };
      case nothingToLearn:
        return { kind: 'finish', reason: nothingToLearn };
      case 'stopped':
        return { kind: 'stopped' };
    }
  },
};

/** Roles that a stage trains and that had nothing to learn from in most of its steps (P9). */
export function idleRoleWarnings(steps: StageView['steps']): string[] {
  const idle = steps.filter(({ metrics }) => (metrics[idleRoles] ?? 0) > 0).length;
  if (idle * 2 <= steps.length) return [];
  return [
    `in ${idle} of ${steps.length} steps the batch had nothing of a role that is trained: it did not speak, or its rewards did not vary within a group; see role/NAME/sequences and role/NAME/frac_reward_zero_std in metrics.jsonl, then change its rewards, or train: false`,
  ];
}
