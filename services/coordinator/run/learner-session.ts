import type { SampleOutcome, StepFormed } from '#proto/coordinator/v1/ledger_pb.ts';
import type { StepHeaderSchema, TrainStepRequestSchema, TrainStepResponse } from '#proto/learner/v1/learner_pb.ts';
import type { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TerminalError, TransientError, errorFrom } from '#shared/errors.ts';
import type { GrpcClient } from '#shared/grpc/client.ts';
import type { ResolvedRecipe } from '#shared/recipe/resolve-recipe.ts';
import type { StageRecipe } from '#shared/recipe/schema.ts';
import type { RunState } from '../ledger/run-state.ts';
import { branchDirectory, branchModel } from './run-context.ts';
import { waitPatiently } from './wait-patiently.ts';
import type { Patience } from './wait-patiently.ts';

export type LearnerClient = GrpcClient<typeof LearnerService>;
type TrainStepInit = MessageInitShape<typeof TrainStepRequestSchema>;

/**
 * The learner, as a run uses it.
 *
 *     closed --OpenRun, then the steps since its checkpoint again--> open --TrainStep--> open
 *        ^------------------- it went away, or lost its place -------------+
 */
export interface LearnerSession {
  /** Opens the run at the state's step. Gives the directory of the weights of that step, and the learner's own step. */
  open(state: RunState, signal: AbortSignal): Promise<{ weightsPath: string; learnerStep: number }>;
  /** Trains on a decided batch. Safe to repeat: a step that was applied is answered, not applied again (P1). */
  train(state: RunState, formed: StepFormed, signal: AbortSignal): Promise<TrainStepResponse>;
}

export interface LearnerSessionOptions {
  readonly client: LearnerClient;
  readonly runId: string;
  readonly directory: string;
  readonly resolved: ResolvedRecipe;
  readonly trainTimeoutMs: number;
  readonly patience: Patience;
  /** Fencing token of this leader; sent with every call. */
  readonly epoch: number;
  /** Both throw `CancelledError` when another coordinator leads the run; `verify` also asks the ledger. */
  readonly leads: { confirm(): Promise<void>; verify(): Promise<void> };
  /** The payload of a trajectory, as it lies on its stream. */
  trajectory(sample: SampleOutcome): Promise<Uint8Array>;
}

export function createLearnerSession(options: LearnerSessionOptions): LearnerSession {
  const { client, resolved, patience } = options;
  let openBranch: number | undefined;

  async function openOnce(state: RunState, signal: AbortSignal): Promise<{ weightsPath: string; learnerStep: number }> {
    const { index, baseStep } = state.branch;
    await options.leads.confirm();
    const opened = await client.openRun(
      {
        runId: options.runId,
        directory: branchDirectory(options.directory, index),
        modelPath: branchModel(options, index),
        seed: BigInt(resolved.recipe.seed),
        resume: state.step > baseStep || state.formed.length > 0,
        keepCheckpoints: resolved.recipe.checkpoints.keep,
        epoch: BigInt(options.epoch),
      },
      { signal, timeoutMs: options.trainTimeoutMs },
    );
    const learnerStep = baseStep + Number(opened.step);
    // It may have applied the head of the queue without the answer having come back; never more.
    const newest = state.step + Math.min(1, state.formed.length);
    if (learnerStep > newest) {
      throw new TerminalError(
        'data_loss',
        `the learner has step ${learnerStep} of run ${options.runId}, the ledger ends at ${newest}; they belong to different runs`,
      );
    }
    let { weightsPath } = opened;
    for (let step = learnerStep + 1; step <= state.step; step++) {
      const formed = state.replayable.find((candidate) => Number(candidate.step) === step);
      if (formed === undefined) {
        throw new TerminalError(
          'data_loss',
          `the learner's newest checkpoint is step ${learnerStep}, and step ${step} is no longer kept for replay`,
        );
      }
      ({ weightsPath } = await send(state, formed, signal));
    }
    openBranch = index;
    return { weightsPath, learnerStep };
  }

  async function send(state: RunState, formed: StepFormed, signal: AbortSignal): Promise<TrainStepResponse> {
    const stage = stageOf(resolved, formed.stage);
    const step = Number(formed.step) - state.branch.baseStep;
    await options.leads.confirm();
    const header = { ...stepHeader(resolved, options.runId, stage, formed, step), epoch: BigInt(options.epoch) };
    return client.trainStep(requests(header, formed), {
      signal,
      timeoutMs: options.trainTimeoutMs,
    });
  }

  // One trajectory at a time: payloads pass through, they never pile up here (P6).
  async function* requests(
    header: MessageInitShape<typeof StepHeaderSchema>,
    formed: StepFormed,
  ): AsyncGenerator<TrainStepInit, void, undefined> {
    yield { message: { case: 'header', value: header } };
    for (const sample of formed.samples) {
      const trajectory = await options.trajectory(sample);
      yield {
        message: { case: 'sample', value: { trajectory, advantage: sample.advantage, truncated: sample.truncated } },
      };
    }
  }

  return {
    open: (state, signal) => waitPatiently(patience, signal, () => openOnce(state, signal)),
    train: (state, formed, signal) =>
      waitPatiently(patience, signal, async () => {
        if (openBranch !== state.branch.index) await openOnce(state, signal);
        try {
          return await send(state, formed, signal);
        } catch (thrown) {
          // Whatever it was, the learner may be another process by now: open again before the next try.
          openBranch = undefined;
          const error = errorFrom(thrown);
          if (error.code !== 'failed_precondition' && error.code !== 'not_found') throw error;
          // Refused, perhaps because a newer leader was there: then this one is over.
          await options.leads.verify();
          throw new TransientError('unavailable', `the learner lost its place: ${error.message}`, { cause: error });
        }
      }),
  };
}

function stepHeader(
  resolved: ResolvedRecipe,
  runId: string,
  stage: StageRecipe,
  formed: StepFormed,
  step: number,
): MessageInitShape<typeof StepHeaderSchema> {
  const { algorithm } = stage;
  const last = formed.stageStep + 1 >= stage.until.steps;
  return {
    runId,
    step: BigInt(step),
    algorithm: {
      clipLow: algorithm.clip_low,
      clipHigh: algorithm.clip_high,
      dualClip: algorithm.dual_clip,
      aggregation: algorithm.aggregation,
      horizonTokens: algorithm.horizon_tokens === 0 ? stage.limits.context_tokens : algorithm.horizon_tokens,
      klCoefficient: algorithm.kl_coefficient,
      klEstimator: algorithm.kl_estimator,
      mismatchCorrection: algorithm.mismatch_correction,
      mismatchLow: algorithm.mismatch_low,
      mismatchCap: algorithm.mismatch_cap,
      epochs: algorithm.epochs,
      updatesPerEpoch: Math.min(algorithm.updates_per_epoch, formed.samples.length),
      learningRate: algorithm.learning_rate,
      warmupSteps: algorithm.warmup_steps,
      weightDecay: algorithm.weight_decay,
      maxGradNorm: algorithm.max_grad_norm,
      maskTruncated: algorithm.mask_truncated,
      entropyCoefficient: algorithm.entropy_coefficient,
    },
    samples: formed.samples.length,
    temperature: stage.sampling.temperature,
    checkpoint: last || step % resolved.recipe.checkpoints.every_steps === 0,
    setReference: formed.stageStep === 0 && algorithm.kl_coefficient > 0,
  };
}

function stageOf(resolved: ResolvedRecipe, name: string): StageRecipe {
  const stage = resolved.recipe.stages.find((candidate) => candidate.name === name);
  if (stage === undefined)
    throw new TerminalError('data_loss', `the ledger names stage ${name}, which the recipe does not have`);
  return stage;
}
