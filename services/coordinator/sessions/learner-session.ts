import type { StepFormed } from '#proto/coordinator/v1/ledger_pb.ts';
import type { StepHeaderSchema, TrainStepRequestSchema, TrainStepResponse } from '#proto/learner/v1/learner_pb.ts';
import type { LearnerService } from '#proto/learner/v1/learner_service_pb.ts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import type { ResolvedRecipe } from '#recipe/resolve-recipe.ts';
import type { StageRecipe } from '#recipe/schema.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import type { BatchSource, LearnerBatch } from '#stages/kit/learner-batch.ts';
import { bestVersions } from '#run/ledger/best-versions.ts';
import type { RunState } from '#run/ledger/run-state.ts';
import type { RunArtefacts } from '../files/run-artefacts.ts';
import type { Weights } from './policy-session.ts';
import { branchDirectory } from '#run/directory/places.ts';
import { branchModel } from '../run-context.ts';
import { callWithRetries } from './call-with-retries.ts';
import type { CallRetries } from './call-with-retries.ts';

export type LearnerClient = GrpcClient<typeof LearnerService>;
type TrainStepInit = MessageInitShape<typeof TrainStepRequestSchema>;

/**
 * The learner, as a run uses it.
 *
 *     closed --OpenRun, then the steps since its checkpoint again--> open --TrainStep--> open
 *        ^------------------- it closed the run, or lost its place -------------+
 */
export interface LearnerSession {
  /** Opens the run at the state's step. */
  open(state: RunState, signal: AbortSignal): Promise<OpenedLearner>;
  /** Trains on a decided batch. Safe to repeat: a step that was applied is answered, not applied again (P1). */
  train(state: RunState, formed: StepFormed, signal: AbortSignal): Promise<TrainStepResponse>;
}

export interface OpenedLearner {
  /** Of the state's step. */
  readonly weights: Weights;
  /** The learner's own step. */
  readonly learnerStep: number;
}

export interface LearnerSessionOptions {
  readonly client: LearnerClient;
  readonly runId: string;
  readonly directory: string;
  readonly resolved: ResolvedRecipe;
  readonly trainTimeoutMs: number;
  readonly retries: CallRetries;
  /** Fencing token of this leader; sent with every call. */
  readonly epoch: number;
  /** Both throw `CancelledError` when another coordinator leads the run; `verify` also asks the ledger. */
  readonly leads: { confirm(): Promise<void>; verify(): Promise<void> };
  /** Files are not what the learner wrote: of checkpoints newer than the one that it went on from. */
  onDamaged(files: readonly string[], learnerStep: number): Promise<void>;
  readonly source: BatchSource;
  readonly artefacts: Pick<RunArtefacts, 'isShared' | 'locate'>;
}

export function createLearnerSession(options: LearnerSessionOptions): LearnerSession {
  const { client, resolved, retries, artefacts } = options;
  let openBranch: number | undefined;

  async function openOnce(state: RunState, signal: AbortSignal): Promise<OpenedLearner> {
    const { index, baseStep } = state.branch;
    const { lora, backend } = resolved.recipe.model;
    await options.leads.confirm();
    const opened = await client.openRun(
      {
        runId: options.runId,
        // A learner with a file system of its own has the run in a folder of its own.
        directory: branchDirectory(artefacts.isShared ? options.runId : options.directory, index),
        modelPath: await artefacts.locate(branchModel(options, index), signal),
        seed: BigInt(resolved.recipe.seed),
        resume: state.step > baseStep || state.formed.length > 0,
        keepCheckpoints: resolved.recipe.checkpoints.keep,
        epoch: BigInt(options.epoch),
        modelDigests: index === 0 ? modelDigests(state) : {},
        ...(backend !== undefined && { backend }),
        ...(lora !== undefined && {
          lora: { rank: lora.rank, alpha: lora.alpha, targetModules: lora.target_modules },
        }),
        ...(artefacts.isShared && newestCheckpoint(state)),
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
    let { weightsPath, weightsDigest } = opened;
    const { damaged } = opened;
    if (damaged.length > 0) await options.onDamaged(damaged, learnerStep);
    for (let step = learnerStep + 1; step <= state.step; step++) {
      const formed = state.replayable.find((candidate) => Number(candidate.step) === step);
      if (formed === undefined) {
        throw new TerminalError(
          'data_loss',
          [
            `the learner's newest whole checkpoint is step ${learnerStep}, and step ${step} is no longer kept for replay`,
            ...damaged,
          ].join('; '),
        );
      }
      ({ weightsPath, weightsDigest } = await send(state, formed, signal));
    }
    openBranch = index;
    return { weights: { path: weightsPath, digest: weightsDigest }, learnerStep };
  }

  async function send(state: RunState, formed: StepFormed, signal: AbortSignal): Promise<TrainStepResponse> {
    const stage = stageOf(resolved, formed.stage);
    const step = Number(formed.step) - state.branch.baseStep;
    await options.leads.confirm();
    const batch = await kindOf(stage).batch?.(stage, formed, options.source);
    if (batch === undefined)
      throw new TerminalError(
        'data_loss',
        `the ledger has a batch of stage ${stage.name}, whose kind ${stage.kind} forms none`,
      );
    const { last, count, samples, ...how } = batch;
    const header = {
      ...how,
      runId: options.runId,
      step: BigInt(step),
      samples: count,
      checkpoint: last || step % resolved.recipe.checkpoints.every_steps === 0,
      epoch: BigInt(options.epoch),
      keepVersions: bestVersions(resolved.recipe, state).flatMap(({ branch, branchStep }) =>
        branch === state.branch.index ? [BigInt(branchStep)] : [],
      ),
    };
    return client.trainStep(requests(header, samples()), { signal, timeoutMs: options.trainTimeoutMs });
  }

  return {
    open: (state, signal) => callWithRetries(retries, signal, () => openOnce(state, signal)),
    train: (state, formed, signal) =>
      callWithRetries(retries, signal, async () => {
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
          throw new TransientError('unavailable', `the learner does not have the run open any more: ${error.message}`, {
            cause: error,
          });
        }
      }),
  };
}

/** As the learner counts: from the beginning of the branch. */
function newestCheckpoint({ checkpoints, checkpointPath, branch }: RunState) {
  const step = checkpoints.at(-1);
  return step === undefined ? {} : { checkpoint: checkpointPath, checkpointStep: BigInt(step - branch.baseStep) };
}

/** Of the model's files, as the run's ledger has them; the models of later branches are versions of the run itself. */
function modelDigests({ inputs }: RunState): Record<string, string> {
  const folder = 'model/';
  return Object.fromEntries(
    inputs.flatMap(({ name, digest }) => (name.startsWith(folder) ? [[name.slice(folder.length), digest]] : [])),
  );
}

async function* requests(
  header: MessageInitShape<typeof StepHeaderSchema>,
  samples: ReturnType<LearnerBatch['samples']>,
): AsyncGenerator<TrainStepInit, void, undefined> {
  yield { message: { case: 'header', value: header } };
  for await (const value of samples) yield { message: { case: 'sample', value } };
}

function stageOf(resolved: ResolvedRecipe, name: string): StageRecipe {
  const stage = resolved.recipe.stages.find((candidate) => candidate.name === name);
  if (stage === undefined)
    throw new TerminalError('data_loss', `the ledger names stage ${name}, which the recipe does not have`);
  return stage;
}
