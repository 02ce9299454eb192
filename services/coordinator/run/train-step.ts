import type { StepFormed } from '#proto/coordinator/v1/ledger_pb.ts';
import { Phase } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { StageRecipe } from '#shared/recipe/schema.ts';
import { withSpan } from '#shared/telemetry/tracing.ts';
import { versionOf } from '../ledger/run-state.ts';
import type { StageState } from '../ledger/run-state.ts';
import { recallBatchMetrics } from './gather-batch.ts';
import type { BatchMetrics } from './gather-batch.ts';
import type { RunContext } from './run-context.ts';
import { learnerMetrics } from './step-metrics.ts';

/** Trains on the decided batch, loads the new version everywhere, and commits the step. */
export async function trainStep(
  context: RunContext,
  stage: StageRecipe,
  entered: StageState,
  formed: StepFormed,
  known: BatchMetrics | undefined,
): Promise<void> {
  const batch =
    known?.step === Number(formed.step) ? known : await recallBatchMetrics(context, stage, entered, formed.stageStep);
  context.progress.update({ phase: Phase.TRAIN, done: 0, expected: formed.samples.length, message: '' });
  const startedMs = context.now();
  const trained = await withSpan(
    'run.train_step',
    { 'gradus.run': context.runId, 'gradus.step': Number(formed.step) },
    () => context.learner.train(context.ledger.state, formed, context.signal),
  );
  const trainedMs = context.now();

  context.progress.update({ phase: Phase.LOAD, done: 0, expected: 0 });
  const version = versionOf(context.ledger.state) + 1;
  await context.policy.load(version, trained.weightsPath, context.signal);
  const loadedMs = context.now();

  const time = {
    'time/train': (trainedMs - startedMs) / 1000,
    'time/sync': (loadedMs - trainedMs) / 1000,
    'time/step': (loadedMs - startedMs) / 1000 + (batch.metrics['time/rollout'] ?? 0),
  };
  context.events.phaseEnded('train', time['time/train']);
  context.events.phaseEnded('sync', time['time/sync']);
  await context.ledger.append({
    case: 'stepCommitted',
    value: {
      step: formed.step,
      version: BigInt(version),
      weightsPath: trained.weightsPath,
      checkpointPath: trained.checkpointPath,
      metrics: { ...batch.metrics, ...learnerMetrics(trained.metrics), ...time },
    },
  });
  context.events.stepCommitted(batch.metrics['reward/mean'] ?? 0, version);
}
