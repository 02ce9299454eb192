import { join, sep } from 'node:path';
import { Phase } from '#proto/coordinator/v1/coordinator_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { decideGate } from './gate.ts';
import { throwIfCancelled } from '#platform/errors.ts';
import type { StageRecipe } from '#recipe/schema.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import { isUsed } from '#stages/kit/artefacts.ts';
import { gateOf } from '#stages/kit/rollout-stages.ts';
import { entryModel, finalModel } from '#run/directory/places.ts';
import { currentStage, isTrained, nextStageStep, versionOf } from '#run/ledger/run-state.ts';
import type { RunEnding, RunState, StageState } from '#run/ledger/run-state.ts';
import { leaveWeights } from './artefacts.ts';
import { copyWeights } from '#weights/model-directory.ts';
import { closeSurplusGroups } from '../groups/give-up.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { exportPolicy, replacePolicy } from '../sessions/replace-policy.ts';
import { nextAction } from '#run/next-action.ts';
import type { Action } from '#run/next-action.ts';
import { sharedWeights } from '../run-context.ts';
import type { Weights } from '../sessions/policy-session.ts';
import type { RunContext } from '../run-context.ts';
import { createStageContext } from './stage-context.ts';

export type RunEnd = { readonly life: RunEnding; readonly message: string };

const stopped: RunEnd = { life: 'stopped', message: 'stopped on request; it can be resumed' };

/**
 * Walks a run from wherever its ledger says it is to its end, or until it is asked to stop. Each round asks `nextAction`
 * what follows and does it; whatever it did is a fact in the ledger before the next round begins.
 */
export async function runLoop(context: RunContext, summarize: () => Promise<void>): Promise<RunEnd> {
  await synchronize(context);
  for (;;) {
    throwIfCancelled(context.signal);
    const action = nextAction(context.recipe, context.ledger.state);
    if (context.stopSignal.aborted && !finishesStep(action, context.ledger.state)) return stopped;
    switch (action.kind) {
      case 'enter':
        await enterStage(context, action.stage, action.index);
        break;
      case 'evaluate': {
        const stageStep = action.name === 'baseline' ? 0 : (context.ledger.state.stages.at(-1)?.steps.length ?? 0);
        await evaluate(context, { stage: action.stage, round: action.round, name: action.name, stageStep });
        break;
      }
      case 'act': {
        const { stage } = action;
        const end = await kindOf(stage).run(createStageContext(context, stage), stage, action.action);
        if (end.kind === 'stopped') return stopped;
        if (end.kind === 'finish') await finishStage(context, stage, end.reason);
        break;
      }
      case 'finish-stage':
        await finishStage(context, action.stage, action.reason);
        break;
      case 'gate':
        await decide(context, action.stage, action.entered);
        await summarize();
        break;
      case 'end':
        await context.publisher.clear(context.signal);
        if (action.life !== 'failed' && isTrained(context.recipe, context.ledger.state))
          await exportPolicy(context, finalModel(context.directory));
        return { life: action.life, message: action.message };
    }
    if (action.kind === 'evaluate') await summarize();
  }
}

/**
 * Whether a run that is asked to stop goes on with this: a batch that is decided is trained on, and the step that was in progress
 * when it was asked is gathered to its end, also by a coordinator that took the run over since.
 */
function finishesStep(action: Action, state: RunState): boolean {
  if (action.kind !== 'act') return false;
  if (state.formed.length > 0) return true;
  if (state.stop?.step !== state.step) return false;
  const step = nextStageStep(state);
  return [...state.groups.values()].some(({ opened }) => opened.purpose === Purpose.TRAIN && opened.step === step);
}

/** Brings learner and policy to the version of the ledger. */
async function synchronize(context: RunContext): Promise<void> {
  const { state } = context.ledger;
  const opened = await openLearner(context);
  context.progress.update({ phase: Phase.LOAD, message: 'waiting for the policy' });
  // Before its first step, a run's weights are its model's, wherever the learner found that.
  const path = state.step > state.branch.baseStep ? opened.path : await sharedWeights(context, state);
  const weights = { ...opened, path };
  await passOtherRuns(context, path);
  const version = versionOf(context.ledger.state);
  if (state.formed.length === 0) await context.policy.load(version, weights, context.signal);
  // A decided step is trained on next and brings its own version, which the policy may have already. Rollouts that begin
  // before need one that is not older than the ledger's.
  else await context.policy.reach(version, weights, context.signal);
  context.progress.update({ message: '' });
}

/** The weights of the ledger's version; without a learner those that are recorded, unchecked. */
async function openLearner(context: RunContext): Promise<Weights> {
  const { state } = context.ledger;
  if (context.learner === undefined) return { path: await sharedWeights(context, state) };
  context.progress.update({ phase: Phase.OPEN, message: 'waiting for the learner' });
  const { weights, learnerStep } = await context.learner.open(state, context.signal);
  context.log.info({ learnerStep, step: state.step }, 'the learner is open');
  return weights;
}

/** Engines refuse older versions, and those of another run that a fleet drove before may be newer than ours. */
async function passOtherRuns(context: RunContext, weights: string): Promise<void> {
  const served = await context.policy.served(context.signal);
  const version = versionOf(context.ledger.state);
  const isOurs = served.weightsPath.startsWith(join(context.directory, sep));
  const isSame = served.version === version && (served.weightsPath === '' || served.weightsPath === weights);
  if (isOurs || isSame || served.version < version) return;
  const by = served.version + 1 - version;
  context.log.info({ served, version, by }, 'the engines served another run; versions go on above its last');
  await context.ledger.append({ case: 'versionsMoved', value: { by: BigInt(by) } });
}

async function enterStage(context: RunContext, stage: StageRecipe, index: number): Promise<void> {
  await context.policy.checkStage(stage, context.signal);
  // Gate and all, the stage before is over.
  const before = currentStage(context.ledger.state);
  if (before !== undefined && before.index < index && isUsed(context.recipe, before.name, 'weights'))
    await leaveWeights(context, before.name);
  if (gateOf(stage)?.on_fail === 'roll_back')
    await exportPolicy(context, entryModel(context.directory, context.ledger.state.stages.length));
  await context.ledger.append({
    case: 'stageEntered',
    value: { stage: stage.name, stageIndex: index },
  });
}

async function finishStage(context: RunContext, stage: StageRecipe, reason: string): Promise<void> {
  await closeSurplusGroups(context);
  const steps = currentStage(context.ledger.state)?.steps.length ?? 0;
  await context.ledger.append({ case: 'stageFinished', value: { stage: stage.name, steps, reason } });
  context.log.info({ stage: stage.name, steps, reason }, 'the stage is over');
}

async function decide(context: RunContext, stage: StageRecipe, entered: StageState): Promise<void> {
  const gate = gateOf(stage);
  if (gate === undefined) return;
  const metricsOf = (name: string) => entered.evaluations.find((evaluation) => evaluation.name === name)?.metrics ?? {};
  const { metric, at_least: atLeast, gain_at_least: gainAtLeast, on_fail: onFail, max_repeats: maxRepeats } = gate;
  const decision = decideGate(
    { metric, atLeast, gainAtLeast, onFail, maxRepeats },
    metricsOf('before'),
    metricsOf('after'),
    entered.round,
  );
  context.log.info(
    { stage: stage.name, ...decision },
    decision.passed ? 'the gate is passed' : 'the gate is not passed',
  );
  if (decision.action !== 'roll_back') {
    await context.ledger.append({ case: 'gateDecided', value: { stage: stage.name, ...decision } });
    return;
  }
  const entry = entryModel(context.directory, context.ledger.state.stages.length - 1);
  await replacePolicy(
    context,
    (directory) => copyWeights(entry, directory),
    () => ({ case: 'gateDecided', value: { stage: stage.name, ...decision } }),
  );
}
