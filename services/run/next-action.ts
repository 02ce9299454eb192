import { TerminalError } from '#platform/errors.ts';
import type { Recipe, StageRecipe } from '#recipe/schema.ts';
import { evaluationKey } from '#recipe/stage-scorers.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import { evaluatedAs, kindOf } from '#stages/kit/kinds.ts';
import { gateOf } from '#stages/kit/rollout-stages.ts';
import { currentStage, learnedSteps } from './ledger/run-state.ts';
import type { RunEnding, RunState, StageState } from './ledger/run-state.ts';

/** The next thing that a run does. */
export type Action =
  | { readonly kind: 'enter'; readonly index: number; readonly stage: StageRecipe }
  | {
      readonly kind: 'evaluate';
      readonly name: string;
      /** With whose limits and scorers. */
      readonly stage: RolloutStage;
      readonly round: number;
    }
  /** What the kind of the stage decided. */
  | { readonly kind: 'act'; readonly stage: StageRecipe; readonly entered: StageState; readonly action: unknown }
  | {
      readonly kind: 'finish-stage';
      readonly stage: StageRecipe;
      readonly entered: StageState;
      readonly reason: string;
    }
  | { readonly kind: 'gate'; readonly stage: StageRecipe; readonly entered: StageState }
  | { readonly kind: 'end'; readonly life: RunEnding; readonly message: string };

/**
 * What follows from the state of a run. Pure: a run that was killed anywhere goes on from its ledger as if nothing had
 * happened.
 */
export function nextAction(recipe: Recipe, state: RunState): Action {
  const entered = currentStage(state);
  if (entered === undefined) return enter(recipe, 0);
  const stage = stageAt(recipe, entered.index);
  const has = (name: string) => entered.evaluations.some((evaluation) => evaluation.name === name);
  const settings = evaluatedAs(recipe, entered.index);

  if (entered.finished === undefined) {
    if (settings !== undefined && !has('before'))
      return { kind: 'evaluate', name: 'before', stage: settings, round: entered.round };
    const baseline = recipe.stages.map((_, index) => evaluatedAs(recipe, index)).findLast((as) => as !== undefined);
    if (baseline !== undefined && isUntrained(state))
      return { kind: 'evaluate', name: 'baseline', stage: baseline, round: 0 };
    const next = kindOf(stage).next(stage, { ...entered, waiting: state.formed.length }, recipe);
    switch (next.kind) {
      case 'act':
        return { kind: 'act', stage, entered, action: next.action };
      case 'evaluate':
        if (settings === undefined)
          throw new TerminalError(
            'internal',
            `stage ${stage.name} wants evaluation ${next.name}, but has no limits for it`,
          );
        return { kind: 'evaluate', name: next.name, stage: settings, round: entered.round };
      case 'finish':
        return { kind: 'finish-stage', stage, entered, reason: next.reason };
    }
  }
  if (settings !== undefined && !has('after'))
    return { kind: 'evaluate', name: 'after', stage: settings, round: entered.round };
  if (gateOf(stage) !== undefined && entered.gate === undefined) return { kind: 'gate', stage, entered };
  if (entered.gate?.action === 'stop') {
    return {
      kind: 'end',
      life: 'failed',
      message: `the gate of stage ${stage.name} did not open: ${entered.gate.reason}`,
    };
  }
  if (entered.gate?.action === 'repeat') return enter(recipe, entered.index);
  if (entered.index + 1 < recipe.stages.length) return enter(recipe, entered.index + 1);
  const idle = stagesThatLearnedNothing(recipe, state);
  if (idle.length === 0) return { kind: 'end', life: 'finished', message: '' };
  const ends = idle.map(({ name, steps, finished }) => `${name} (${steps.length} steps, ended by ${finished?.reason})`);
  return {
    kind: 'end',
    life: 'nothing_to_learn',
    message: `no step learned anything in ${ends.join(', ')}; look at its rollouts, change its rewards, its rows or the policy, and start another run`,
  };
}

/** P9: the last rounds of those that were to train and learned in none of their rounds. */
function stagesThatLearnedNothing(recipe: Recipe, { stages }: RunState): StageState[] {
  return recipe.stages.flatMap((stage, index) => {
    const trains = kindOf(stage).needsLearner && kindOf(stage).estimate(stage, recipe).steps > 0;
    const rounds = stages.filter((one) => one.index === index);
    return trains && rounds.every((one) => learnedSteps(one) === 0) ? rounds.slice(-1) : [];
  });
}

/** The policy is still the model that the run began with, and nobody has evaluated it at the last limits yet. */
function isUntrained({ baseline, step, formed, branch }: RunState): boolean {
  return baseline === undefined && step === 0 && formed.length === 0 && branch.index === 0;
}

/**
 * An earlier evaluation that answers this one: of the same policy version, and everything that decides it the same. Between two
 * stages of equal limits, `after` of the first is `before` of the second.
 */
export function equalEvaluation(
  recipe: Recipe,
  state: RunState,
  stage: RolloutStage,
  version: number,
): Readonly<Record<string, number>> | undefined {
  const all = [
    ...state.stages.flatMap((entered) => entered.evaluations),
    ...(state.baseline === undefined ? [] : [state.baseline]),
  ];
  return all.findLast((known) => {
    const of = evaluatedAs(
      recipe,
      recipe.stages.findIndex((candidate) => candidate.name === known.stage),
    );
    return of !== undefined && known.version === version && evaluationKey(recipe, of) === evaluationKey(recipe, stage);
  })?.metrics;
}

function enter(recipe: Recipe, index: number): Action {
  return { kind: 'enter', index, stage: stageAt(recipe, index) };
}

function stageAt(recipe: Recipe, index: number): StageRecipe {
  const stage = recipe.stages[index];
  if (stage === undefined)
    throw new TerminalError('data_loss', `the ledger names stage ${index}, the recipe has ${recipe.stages.length}`);
  return stage;
}
