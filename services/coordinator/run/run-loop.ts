import { cp, mkdir } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { Phase } from '#proto/coordinator/v1/coordinator_pb.ts';
import { decideGate } from '#shared/domain/gate.ts';
import { throwIfCancelled } from '#shared/errors.ts';
import type { StageRecipe } from '#shared/recipe/schema.ts';
import { currentStage, versionOf } from '../ledger/run-state.ts';
import type { StageState } from '../ledger/run-state.ts';
import { closeSurplusGroups } from './close-surplus.ts';
import { evaluate } from './evaluate.ts';
import { nextAction } from './next-action.ts';
import { runPipeline } from './pipeline.ts';
import { branchDirectory, branchModel, currentWeights } from './run-context.ts';
import type { RunContext } from './run-context.ts';

export type RunEnd = { readonly life: 'finished' | 'failed' | 'stopped'; readonly message: string };

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
    // A batch that is decided is trained on first: that is the end of the step.
    if (context.stopSignal.aborted && !(action.kind === 'work' && action.train !== undefined)) return stopped;
    switch (action.kind) {
      case 'enter':
        await enterStage(context, action.stage, action.index);
        break;
      case 'evaluate': {
        const stageStep = action.name === 'baseline' ? 0 : (context.ledger.state.stages.at(-1)?.steps.length ?? 0);
        await evaluate(context, { stage: action.stage, round: action.round, name: action.name, stageStep });
        break;
      }
      case 'work': {
        const end = await runPipeline(context);
        if (end === 'stopped') return stopped;
        if (end === 'exhausted') await finishStage(context, action.stage, 'plateau');
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
        return { life: action.life, message: action.message };
    }
    if (action.kind === 'evaluate') await summarize();
  }
}

/** Brings learner and policy to the version of the ledger. */
async function synchronize(context: RunContext): Promise<void> {
  const { state } = context.ledger;
  context.progress.update({ phase: Phase.OPEN, message: 'waiting for the learner' });
  const { weightsPath, learnerStep } = await context.learner.open(state, context.signal);
  context.log.info({ learnerStep, step: state.step }, 'the learner is open');
  context.progress.update({ phase: Phase.LOAD, message: 'waiting for the policy' });
  const weights = state.step > state.branch.baseStep ? weightsPath : currentWeights(context, state);
  await passOtherRuns(context, weights);
  const version = versionOf(context.ledger.state);
  if (state.formed.length === 0) await context.policy.load(version, weights, context.signal);
  // A decided step is trained on next and brings its own version, which the policy may have already. Rollouts that begin
  // before need one that is not older than the ledger's.
  else await context.policy.reach(version, weights, context.signal);
  context.progress.update({ message: '' });
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
  if (stage.gate?.on_fail === 'roll_back')
    await copyModel(
      context,
      currentWeights(context, context.ledger.state),
      entryModel(context, context.ledger.state.stages.length),
    );
  await context.ledger.append({ case: 'stageEntered', value: { stage: stage.name, stageIndex: index } });
}

async function finishStage(context: RunContext, stage: StageRecipe, reason: string): Promise<void> {
  await closeSurplusGroups(context);
  const steps = currentStage(context.ledger.state)?.steps.length ?? 0;
  await context.ledger.append({ case: 'stageFinished', value: { stage: stage.name, steps, reason } });
  context.log.info({ stage: stage.name, steps, reason }, 'the stage is over');
}

async function decide(context: RunContext, stage: StageRecipe, entered: StageState): Promise<void> {
  if (stage.gate === undefined) return;
  const metricsOf = (name: string) => entered.evaluations.find((evaluation) => evaluation.name === name)?.metrics ?? {};
  const {
    metric,
    at_least: atLeast,
    gain_at_least: gainAtLeast,
    on_fail: onFail,
    max_repeats: maxRepeats,
  } = stage.gate;
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
  const { branch, stages } = context.ledger.state;
  await mkdir(branchDirectory(context.directory, branch.index + 1), { recursive: true });
  await copyModel(context, entryModel(context, stages.length - 1), branchModel(context, branch.index + 1));
  await context.ledger.append({ case: 'gateDecided', value: { stage: stage.name, ...decision } });
  const { state } = context.ledger;
  await context.learner.open(state, context.signal);
  await context.policy.load(versionOf(state), currentWeights(context, state), context.signal);
}

/** Where the policy that entered the n-th stage of the run is kept while its gate may still send the run back to it. */
function entryModel(context: RunContext, stageNumber: number): string {
  return join(context.directory, 'entries', String(stageNumber));
}

async function copyModel(context: RunContext, from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, force: true });
  // A version holds weights only; a model directory needs its tokenizer too.
  await cp(join(context.resolved.paths.model, 'tokenizer.json'), join(to, 'tokenizer.json'), { force: true });
}
