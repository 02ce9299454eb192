import type { StepFormed } from '#proto/coordinator/v1/ledger_pb.ts';
import { Phase } from '#proto/coordinator/v1/coordinator_pb.ts';
import { withSpan } from '#platform/telemetry/tracing.ts';
import { rolloutSpan } from '#trajectory/rollout-span.ts';
import { environmentMeansIn } from '../series/environment-series.ts';
import { splitFinite } from '#run/ledger/finite.ts';
import {
  currentStage,
  gradientMetric,
  learnedMetric,
  nextStageStep,
  skippedInARow,
  versionOf,
} from '#run/ledger/run-state.ts';
import { hasSignal } from '#run/ledger/training-tally.ts';
import type { PipelineClock } from './pipeline-clock.ts';
import { learnerOf } from '../run-context.ts';
import type { RunContext } from '../run-context.ts';
import { learnerMetricName, learnerMetrics } from './step-metrics.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { createPipelineClock } from './pipeline-clock.ts';

/** Trains on the decided batch, loads the new version everywhere, and commits the step. Rollouts may go on meanwhile. */
export async function trainStep(
  context: RunContext,
  formed: StepFormed,
  clock: PipelineClock,
  signal: AbortSignal,
): Promise<void> {
  context.progress.update({ phase: Phase.TRAIN, done: 0, expected: formed.samples.length, message: '' });
  const startedMs = context.now();
  const trained = await withSpan(
    'run.train_step',
    { 'gradus.run': context.runId, 'gradus.stage': formed.stage, 'gradus.step': Number(formed.step) },
    () => learnerOf(context).train(context.ledger.state, formed, signal),
    { always: true, links: formed.samples.map(({ taskId }) => rolloutSpan(context.runId, taskId)) },
  );
  const trainedMs = context.now();

  context.progress.update({ phase: Phase.LOAD, done: 0, expected: 0 });
  const version = versionOf(context.ledger.state) + 1;
  await context.policy.load(version, { path: trained.weightsPath, digest: trained.weightsDigest }, signal);
  const loadedMs = context.now();

  const shares = clock.takeStep(startedMs, loadedMs);
  const time = {
    'time/train': (trainedMs - startedMs) / 1000,
    'time/sync': (loadedMs - trainedMs) / 1000,
    'time/step': shares.stepMs / 1000,
    'time/learner_wait': shares.learnerWaitMs / 1000,
    'time/engine_wait': shares.engineWaitMs / 1000,
    'rollouts/in_flight': shares.meanInFlight,
  };
  context.events.phaseEnded('train', time['time/train']);
  context.events.phaseEnded('sync', time['time/sync']);
  context.events.phaseEnded('learner_wait', time['time/learner_wait']);
  context.events.phaseEnded('engine_wait', time['time/engine_wait']);
  const { finite, notFinite: given } = splitFinite(learnerMetrics(trained.metrics));
  // A learner leaves them out itself, and names them.
  const absent = Object.keys(trained.absentMetrics).map(learnerMetricName);
  const notFinite = [...new Set([...given, ...absent])].toSorted();
  if (notFinite.length > 0)
    context.log.error(
      { step: Number(formed.step), metrics: notFinite },
      'the learner reports metrics that are no finite numbers; the step is kept as it applied it: look at its log, and lower the learning rate or resume from an earlier checkpoint',
    );
  await context.ledger.append({
    case: 'stepCommitted',
    value: {
      step: formed.step,
      version: BigInt(version),
      weightsPath: trained.weightsPath,
      weightsDigest: trained.weightsDigest,
      checkpointPath: trained.checkpointPath,
      metrics: { ...formed.metrics, ...finite, ...time, [learnedMetric]: Number(hasLearned(formed, finite)) },
      notFinite,
    },
  });
  context.events.stepCommitted();
  if (trained.checkpointPath !== '') await giveRoomBack(context);
  context.events.environmentReported('train', environmentMeansIn(formed.metrics));
  requireFiniteSteps(context);
}

/** A run whose steps have no finite update any more ends here, after they are in the ledger: one that is resumed goes on with the next batch. */
function requireFiniteSteps({ recipe, ledger: { state } }: RunContext): void {
  const entered = currentStage(state);
  const stage = entered === undefined ? undefined : recipe.stages[entered.index];
  if (entered === undefined || stage === undefined) return;
  const skipped = skippedInARow(entered);
  const most = kindOf(stage).maxSkippedSteps?.(stage);
  if (most === undefined || skipped < most) return;
  const version = versionOf(state) - skipped;
  throw new TerminalError(
    'failed_precondition',
    `stage ${stage.name}: the last ${skipped} steps had no finite update (max_skipped_steps is ${most}); the weights are those of version ${version}, the last that is good, and lie in ${state.weightsPath}. Look at the rewards and at grad_norm before, lower learning_rate or max_grad_norm in a new run that begins with them, or resume this one to go on with the next batch`,
  );
}

/** A store that does not answer costs room, not the run. */
async function giveRoomBack({ artefacts, ledger, log, signal }: RunContext): Promise<void> {
  await artefacts.retain(ledger.state, signal).catch((thrown: unknown) => {
    if (!signal.aborted)
      log.warn({ err: errorFrom(thrown) }, 'old artefacts of the run could not be removed from the store');
  });
}

/** Without an advantage, or a gradient, a step has learned nothing, although it is counted and brings a version (P9). */
function hasLearned({ samples }: StepFormed, metrics: Readonly<Record<string, number>>): boolean {
  return metrics[gradientMetric] !== 0 && (samples.length === 0 || hasSignal(samples));
}

/** A step whose batch needs no rollouts to be gathered: decided, then trained on. */
export async function trainBatch(context: RunContext, stage: string, stageStep: number): Promise<void> {
  const { ledger, signal } = context;
  if (ledger.state.formed.length === 0) {
    const next = nextStageStep(ledger.state);
    if (next !== stageStep)
      throw new TerminalError('internal', `batch ${stageStep} is formed when it is the turn of ${next}`);
    await ledger.append({ case: 'stepFormed', value: { step: BigInt(ledger.state.step + 1), stage, stageStep } });
  }
  const [formed] = ledger.state.formed;
  if (formed !== undefined) await trainStep(context, formed, createPipelineClock(context.now()), signal);
}
