import { z } from 'zod';
import { commonFields } from '../kit/fields.ts';
import type { StageKind } from '../kit/stage-kind.ts';

const { name } = commonFields;

export const exportSchema = z
  .strictObject({ name, kind: z.literal('export') })
  .describe(
    "The policy as a directory that transformers loads: exports/STAGE in the run's directory. A run exports its last policy by itself.",
  );

/** Writes the policy as it is where other programs load it. Changes nothing. */
export const exported: StageKind<typeof exportSchema, undefined> = {
  kind: 'export',
  schema: exportSchema,
  changesPolicy: false,
  needsLearner: false,
  leaves: [],
  check: () => [],
  estimate: () => ({ steps: 0, groups: 0, groupSize: 0, rollouts: 0, mostRollouts: 0 }),
  fold: (_progress, fact) => fact,
  next: (_stage, view) =>
    view.progress === undefined ? { kind: 'act', action: undefined } : { kind: 'finish', reason: 'exported' },
  async run(context, stage) {
    await context.record({ directory: await context.exportModel(stage.name) });
    return { kind: 'done' };
  },
};
