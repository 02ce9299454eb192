import type { StepFormed } from '#proto/coordinator/v1/ledger_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import type { Recipe, StageRecipe } from '#shared/recipe/schema.ts';
import { evaluationKey } from '#shared/recipe/stage-scorers.ts';
import { currentStage, nextStageStep } from '../ledger/run-state.ts';
import type { RunState, StageState } from '../ledger/run-state.ts';
import { rlStage } from '../stages/rl-stage.ts';
import type { StageKind } from '../stages/stage-kind.ts';

const stageKinds: Readonly<Record<StageRecipe['kind'], StageKind>> = { rl: rlStage };

/** The next thing that a run does. */
export type Action =
  | { readonly kind: 'enter'; readonly index: number; readonly stage: StageRecipe }
  | {
      readonly kind: 'evaluate';
      readonly name: string;
      readonly stage: StageRecipe;
      readonly index: number;
      readonly round: number;
    }
  /** Both at the same time: train on the oldest decided batch, and gather those of the stage steps from..before. */
  | {
      readonly kind: 'work';
      readonly stage: StageRecipe;
      readonly entered: StageState;
      readonly train: StepFormed | undefined;
      readonly gather: { readonly from: number; readonly before: number };
    }
  | {
      readonly kind: 'finish-stage';
      readonly stage: StageRecipe;
      readonly entered: StageState;
      readonly reason: string;
    }
  | { readonly kind: 'gate'; readonly stage: StageRecipe; readonly entered: StageState }
  | { readonly kind: 'end'; readonly life: 'finished' | 'failed'; readonly message: string };

/**
 * What follows from the state of a run. Pure: a run that was killed anywhere goes on from its ledger as if nothing had
 * happened.
 */
export function nextAction(recipe: Recipe, state: RunState): Action {
  const entered = currentStage(state);
  if (entered === undefined) return enter(recipe, 0);
  const stage = stageAt(recipe, entered.index);
  const evaluate = (name: string): Action => ({
    kind: 'evaluate',
    name,
    stage,
    index: entered.index,
    round: entered.round,
  });
  const has = (name: string) => entered.evaluations.some((evaluation) => evaluation.name === name);

  if (entered.finished === undefined) {
    const [train] = state.formed;
    if (!has('before')) return evaluate('before');
    if (state.baseline === undefined && state.step === 0 && state.formed.length === 0 && state.branch.index === 0) {
      const index = recipe.stages.length - 1;
      return { kind: 'evaluate', name: 'baseline', stage: stageAt(recipe, index), index, round: 0 };
    }
    const next = stageKinds[stage.kind].decide(stage, entered, state.formed.length, recipe.eval.every_steps);
    switch (next.kind) {
      case 'work':
        return { kind: 'work', stage, entered, train, gather: { from: nextStageStep(state), before: next.before } };
      case 'evaluate':
        return evaluate(next.name);
      case 'finish':
        return { kind: 'finish-stage', stage, entered, reason: next.reason };
    }
  }
  if (!has('after')) return evaluate('after');
  if (stage.gate !== undefined && entered.gate === undefined) return { kind: 'gate', stage, entered };
  if (entered.gate?.action === 'stop') {
    return {
      kind: 'end',
      life: 'failed',
      message: `the gate of stage ${stage.name} did not open: ${entered.gate.reason}`,
    };
  }
  if (entered.gate?.action === 'repeat') return enter(recipe, entered.index);
  if (entered.index + 1 < recipe.stages.length) return enter(recipe, entered.index + 1);
  return { kind: 'end', life: 'finished', message: '' };
}

/**
 * An earlier evaluation that answers this one: of the same policy version, and everything that decides it the same. Between two
 * stages of equal limits, `after` of the first is `before` of the second.
 */
export function equalEvaluation(
  recipe: Recipe,
  state: RunState,
  stage: StageRecipe,
  version: number,
): Readonly<Record<string, number>> | undefined {
  const all = [
    ...state.stages.flatMap((entered) => entered.evaluations),
    ...(state.baseline === undefined ? [] : [state.baseline]),
  ];
  return all.findLast((known) => {
    const of = recipe.stages.find((candidate) => candidate.name === known.stage);
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
