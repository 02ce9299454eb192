import type { RolloutStage } from '#stages/kit/fields.ts';
import { evaluationComposition } from '#recipe/stage-scorers.ts';
import { versionOf } from '#run/ledger/run-state.ts';
import { withRewards } from './evaluation-metrics.ts';
import type { EvaluationMode } from './evaluation-metrics.ts';
import { askRows } from './ask-rows.ts';
import { equalEvaluation } from '#run/next-action.ts';
import { stageLabel } from '../run-context.ts';
import type { RunContext } from '../run-context.ts';

export interface EvaluationRequest {
  /** With whose limits and scorers, under the name of the stage that is evaluated. */
  readonly stage: RolloutStage;
  readonly round: number;
  /** before | after | baseline | step-N. */
  readonly name: string;
  /** Step of the stage that it follows. */
  readonly stageStep: number;
}

/** Evaluates the current policy on held-out questions at a stage's limits, unless an equal evaluation is there already. */
export async function evaluate(context: RunContext, request: EvaluationRequest): Promise<void> {
  const { stage, name } = request;
  const composition = evaluationComposition(context.recipe, stage);
  const version = versionOf(context.ledger.state);
  const equal = equalEvaluation(context.recipe, context.ledger.state, stage, version);
  if (equal !== undefined) {
    await context.ledger.append({
      case: 'evalFinished',
      value: { stage: stage.name, name, metrics: withRewards(equal, composition) },
    });
    return;
  }
  const asked = await askRows(context, {
    stage,
    label: stageLabel(stage, request.round),
    name,
    stageStep: request.stageStep,
    rows: context.rows.heldOut,
    limit: context.recipe.eval.questions,
    modes: evaluationModes(context),
    attempts: stage.groups.attempts,
    groupMs: Math.min(stage.deadlines.group_ms, context.recipe.eval.deadline_ms),
    deadlineMs: context.recipe.eval.deadline_ms,
  });
  await asked.finish({});
}

function evaluationModes(context: RunContext): EvaluationMode[] {
  const { sampled, greedy } = context.recipe.eval;
  return [...(sampled ? (['sampled'] as const) : []), ...(greedy ? (['greedy'] as const) : [])];
}
