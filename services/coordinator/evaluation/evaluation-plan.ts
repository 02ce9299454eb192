import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { Row } from '#proto/rollout/v1/task_pb.ts';
import type { TaskParts } from '#recipe/build-task.ts';
import { compose } from '#rewards/compose.ts';
import { versionOf } from '#run/ledger/run-state.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import { createPromptSampler } from '#stages/kit/prompt-sampler.ts';
import type { ClosedInit, EvaluationPlan } from '../groups/gather-plan.ts';
import type { Group } from '../groups/group.ts';
import type { RunContext } from '../run-context.ts';

export interface EvaluationParts {
  readonly stage: RolloutStage;
  /** Of the stage and its round: part of task ids. */
  readonly label: string;
  /** Of the evaluation in the ledger. */
  readonly name: string;
  readonly stageStep: number;
  readonly rows: readonly Row[];
  /** Most rows, the first of a seeded order. */
  readonly limit: number;
  /** How each sample of a row is drawn. */
  readonly modes: readonly TaskParts['mode'][];
  readonly attempts: number;
  readonly groupMs: number;
  readonly deadlineMs: number;
}

/** One group per row. The rows are the same in every evaluation of a recipe and seed. */
export function evaluationPlan(
  { recipe, recipeHash, ledger }: Pick<RunContext, 'recipe' | 'recipeHash' | 'ledger'>,
  parts: EvaluationParts,
): EvaluationPlan {
  const { stage, name, stageStep, rows, modes, groupMs, deadlineMs } = parts;
  const count = Math.min(parts.limit, rows.length);
  const order = createPromptSampler({ seed: recipe.seed, stage: '', sequence: 'evaluation', size: rows.length });
  return {
    stage,
    stageStep,
    purpose: Purpose.EVAL,
    evaluation: name,
    policy: {
      onDeadline: 'retry',
      attempts: parts.attempts,
      groupMs,
      version: versionOf(ledger.state),
      maxStaleness: 0,
      retryAfterMs: 1000,
    },
    deadlineMs,
    key: { recipeHash, seed: recipe.seed, stage: `${parts.label}/${name}`, step: stageStep },
    modes,
    target: count,
    most: count,
    prompts: {
      at(draw) {
        const row = draw < count ? rows[order.questionAt(draw)] : undefined;
        return row && { row, name: `evaluation:${draw}` };
      },
    },
  };
}

/** What is counted of a settled group. A sample that did not come back has no reward (P2). */
export function closeEvaluatedGroup(composition: Composition, group: Group): ClosedInit {
  return {
    groupId: group.plan.groupId,
    fate: GroupFate.EVALUATED,
    samples: group.samples.map(({ taskId, cancelled, result }) => {
      const reward = result === undefined ? undefined : compose(composition, result);
      return {
        taskId,
        ...(reward !== undefined && { reward }),
        advantage: 0,
        trajectorySequence: result?.trajectorySequence ?? 0n,
        truncated: result?.truncated ?? false,
        cancelled,
      };
    }),
  };
}
