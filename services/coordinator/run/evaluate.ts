import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { Phase } from '#proto/coordinator/v1/coordinator_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { createPromptSampler } from '#shared/domain/prompt-sampler.ts';
import { groupIdOf, taskIdOf } from '#shared/domain/task-ids.ts';
import type { GroupKey } from '#shared/domain/task-ids.ts';
import type { StageRecipe } from '#shared/recipe/schema.ts';
import { versionOf } from '../ledger/run-state.ts';
import { evaluationMetrics, withRewards } from './evaluation-metrics.ts';
import type { EvaluationMode } from './evaluation-metrics.ts';
import { gatherGroups } from './gather-groups.ts';
import type { GatherPlan } from './gathering.ts';
import { equalEvaluation } from './next-action.ts';
import { stageLabel } from './run-context.ts';
import type { RunContext } from './run-context.ts';
import { buildTask } from '#shared/recipe/build-task.ts';

export interface EvaluationRequest {
  readonly stage: StageRecipe;
  readonly round: number;
  /** before | after | baseline | step-N. */
  readonly name: string;
  /** Step of the stage that it follows. */
  readonly stageStep: number;
}

/** Evaluates the current policy on held-out questions at a stage's limits, unless an equal evaluation is there already. */
export async function evaluate(context: RunContext, request: EvaluationRequest): Promise<void> {
  const { stage, name } = request;
  const version = versionOf(context.ledger.state);
  const equal = equalEvaluation(context.recipe, context.ledger.state, stage, version);
  if (equal !== undefined) {
    await context.ledger.append({
      case: 'evalFinished',
      value: { stage: stage.name, name, metrics: withRewards(equal, stage) },
    });
    return;
  }
  const startedMs = context.now();
  const modes = evaluationModes(context);
  context.progress.update({ phase: Phase.EVALUATE, done: 0, expected: 0, message: '' });
  const groups = await gatherGroups(
    context,
    evaluationPlan(context, request, modes),
    AbortSignal.any([context.signal, context.stopSignal]),
  );
  const seconds = (context.now() - startedMs) / 1000;
  context.events.phaseEnded('eval', seconds);
  const samples = groups.flatMap((group) =>
    group.samples.map((sample) => ({
      mode: modes[sample.index] ?? 'sampled',
      hops: group.plan.question.hops,
      result: sample.result,
    })),
  );
  await context.ledger.append({
    case: 'evalFinished',
    value: { stage: stage.name, name, metrics: { ...evaluationMetrics(samples, stage), 'time/eval': seconds } },
  });
}

function evaluationModes(context: RunContext): EvaluationMode[] {
  const { sampled, greedy } = context.recipe.eval;
  return [...(sampled ? (['sampled'] as const) : []), ...(greedy ? (['greedy'] as const) : [])];
}

/** One group per question, with one sample per mode. The questions are the same in every evaluation of a recipe and seed. */
function evaluationPlan(context: RunContext, request: EvaluationRequest, modes: readonly EvaluationMode[]): GatherPlan {
  const { recipe, recipeHash, questions } = context;
  const { stage, name, stageStep } = request;
  const count = Math.min(recipe.eval.questions, questions.heldOut.length);
  const order = createPromptSampler({
    seed: recipe.seed,
    stage: '',
    lane: 'evaluation',
    size: questions.heldOut.length,
  });
  const label = `${stageLabel(stage, request.round)}/${name}`;
  return {
    stage,
    stageStep,
    purpose: Purpose.EVAL,
    evaluation: name,
    policy: {
      onDeadline: 'retry',
      attempts: stage.groups.attempts,
      groupMs: Math.min(stage.deadlines.group_ms, recipe.eval.deadline_ms),
      version: versionOf(context.ledger.state),
      maxStaleness: 0,
      retryAfterMs: 1000,
    },
    deadlineMs: recipe.eval.deadline_ms,
    planAt(draw) {
      const question = draw < count ? questions.heldOut[order.questionAt(draw)] : undefined;
      if (question === undefined) return undefined;
      const key: GroupKey = {
        recipeHash,
        seed: recipe.seed,
        stage: label,
        step: stageStep,
        draw: `evaluation:${draw}`,
        questionId: question.id,
      };
      return { groupId: groupIdOf(key), draw, question, taskIds: modes.map((_, index) => taskIdOf(key, index)) };
    },
    wanted: (groups, load) =>
      Math.min(count - groups.length, Math.floor((recipe.fleet.max_open_rollouts - load.openSamples) / modes.length)),
    task: (group, sample) =>
      buildTask(recipe, {
        runId: context.runId,
        taskId: sample.taskId,
        groupId: group.plan.groupId,
        sampleIndex: sample.index,
        attempt: sample.attempt,
        question: group.plan.question,
        stage,
        purpose: Purpose.EVAL,
        mode: modes[sample.index] ?? 'sampled',
      }),
    close: (group) => ({
      groupId: group.plan.groupId,
      fate: GroupFate.EVALUATED,
      samples: group.samples.map((sample) => ({
        taskId: sample.taskId,
        ...(sample.result?.reward !== undefined && { reward: sample.result.reward }),
        advantage: 0,
        trajectorySequence: sample.result?.trajectorySequence ?? 0n,
        truncated: sample.result?.truncated ?? false,
        cancelled: sample.cancelled,
      })),
    }),
    progress: (groups) => ({
      done: groups.reduce((sum, group) => sum + group.samples.filter((sample) => sample.state === 'done').length, 0),
      expected: count * modes.length,
    }),
  };
}
