import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { Row } from '#proto/rollout/v1/task_pb.ts';
import { createPromptSampler } from '#stages/kit/prompt-sampler.ts';
import { groupIdOf, taskIdOf } from '#recipe/task-ids.ts';
import type { GroupKey } from '#recipe/task-ids.ts';
import { createTaskBuilder } from '#recipe/build-task.ts';
import type { TaskParts } from '#recipe/build-task.ts';
import { evaluationComposition } from '#recipe/stage-scorers.ts';
import { compose } from '#rewards/compose.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import { versionOf } from '#run/ledger/run-state.ts';
import type { GatherPlan } from '../groups/gather-plan.ts';
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
export function evaluationPlan(context: RunContext, parts: EvaluationParts): GatherPlan {
  const { recipe, recipeHash } = context;
  const { stage, name, stageStep, rows, modes, groupMs, deadlineMs } = parts;
  const composition = evaluationComposition(recipe, stage);
  const build = createTaskBuilder(recipe, stage);
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
      version: versionOf(context.ledger.state),
      maxStaleness: 0,
      retryAfterMs: 1000,
    },
    deadlineMs,
    planAt(draw) {
      const row = draw < count ? rows[order.questionAt(draw)] : undefined;
      if (row === undefined) return undefined;
      const key: GroupKey = {
        recipeHash,
        seed: recipe.seed,
        stage: `${parts.label}/${name}`,
        step: stageStep,
        draw: `evaluation:${draw}`,
        questionId: row.id,
      };
      return { groupId: groupIdOf(key), draw, row, taskIds: modes.map((_, index) => taskIdOf(key, index)) };
    },
    wanted: (groups, load) =>
      Math.min(count - groups.length, Math.floor((recipe.fleet.max_open_rollouts - load.openSamples) / modes.length)),
    task: (group, sample) =>
      build({
        runId: context.runId,
        taskId: sample.taskId,
        groupId: group.plan.groupId,
        sampleIndex: sample.index,
        attempt: sample.attempt,
        row: group.plan.row,
        purpose: Purpose.EVAL,
        mode: modes[sample.index] ?? 'sampled',
      }),
    close: (group) => ({
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
    }),
    progress: (groups) => ({
      done: groups.reduce((sum, group) => sum + group.samples.filter((sample) => sample.state === 'done').length, 0),
      expected: count * modes.length,
    }),
  };
}
