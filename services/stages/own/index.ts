import { UserCodeError } from '#user-code/user-code-error.ts';
import { checkPolicyGate } from '../kit/check.ts';
import type { StageContext } from '../kit/stage-context.ts';
import type { ActionEnd, StageKind, StageView } from '../kit/stage-kind.ts';
import type { OwnStageKind, OwnStageView } from './define-stage-kind.ts';
import { checkedEnd, checkedNext, checkedRows } from './check-given.ts';
import { optionsOf, userCode } from './guard.ts';
import { loadStageKind } from './load-stage-kind.ts';
import { ownSchema } from './schema.ts';
import type { OwnStage } from './schema.ts';

/**
 * A kind in a file of the user's. The ledger is folded without that file: what it recorded is kept as it is, and added up when the stage
 * goes on.
 */
export const own: StageKind<typeof ownSchema, readonly unknown[]> = {
  kind: 'own',
  schema: ownSchema,
  // It may put another policy in place; where it did not, the evaluation after it is the one before it.
  changesPolicy: true,
  needsLearner: false,
  leaves: ['weights', 'rows'],
  uses: ({ takes }) => takes.map((take, index) => ({ ...take, path: ['takes', index, 'stage'] })),
  files: ({ path }) => ({ kind: path }),
  async checkFiles(stage, { kind: path = '' }) {
    optionsOf(await loadStageKind(path), stage);
  },
  check: checkPolicyGate,
  estimate: () => ({ steps: 0, groups: 0, groupSize: 0, rollouts: 0, mostRollouts: 0 }),
  fold: (progress, fact) => [...factsOf(progress), fact],
  next: (_stage, { progress }: StageView) => ({ kind: 'act', action: factsOf(progress) }),
  async run(context, stage, facts) {
    const file = context.file('kind');
    const kind = await loadStageKind(file);
    const view = {
      name: stage.name,
      options: optionsOf(kind, stage),
      progress: await progressOf(kind, stage, file, facts),
    };
    const next = await userCode(stage.name, file, () => checkedNext(kind.next(view)));
    if (next !== undefined) return { kind: 'finish', reason: next.finish };
    return await runOnce(context, stage, kind, view);
  },
};

async function runOnce(
  context: StageContext,
  stage: OwnStage,
  kind: OwnStageKind,
  view: OwnStageView<unknown, unknown>,
): Promise<ActionEnd> {
  const file = context.file('kind');
  let recorded = 0;
  const counting: StageContext = {
    ...context,
    async leaveRows(rows) {
      await context.leaveRows(checkedRows(rows));
    },
    async record(fact) {
      await context.record(fact);
      recorded += 1;
    },
    async replacePolicy(write) {
      await context.replacePolicy(write);
      recorded += 1;
    },
  };
  const end = await userCode(stage.name, file, async () => checkedEnd(await kind.run(counting, view)));
  if (end !== undefined) return end;
  // Else `next` decides the same again, forever (P10).
  if (recorded === 0)
    await userCode(stage.name, file, () => {
      throw new UserCodeError(`run() of ${file} recorded no fact, and next() decides by facts; call context.record`);
    });
  return { kind: 'done' };
}

async function progressOf(
  kind: OwnStageKind,
  stage: OwnStage,
  file: string,
  facts: readonly unknown[],
): Promise<unknown> {
  const { fold } = kind;
  if (fold === undefined) return facts.at(-1);
  return await userCode(stage.name, file, () =>
    facts.reduce<unknown>((progress, fact) => fold(progress, fact), undefined),
  );
}

function factsOf(progress: unknown): readonly unknown[] {
  return Array.isArray(progress) ? progress : [];
}
