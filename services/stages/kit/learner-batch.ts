import type { MessageInitShape } from '@bufbuild/protobuf';
import type { StepHeaderSchema, StepSampleSchema } from '#proto/learner/v1/learner_pb.ts';
import type { TerminalError } from '#platform/errors.ts';

/** A batch as the learner is sent it (gradus.learner.v1.TrainStep): how to learn, and what from. */
export interface LearnerBatch {
  /** The last step that the stage can have: a checkpoint is due. */
  readonly last: boolean;
  readonly objective: NonNullable<MessageInitShape<typeof StepHeaderSchema>['objective']>;
  readonly temperature: number;
  readonly setReference: boolean;
  readonly count: number;
  /** One at a time: payloads pass through, they never pile up (P6). */
  samples(): AsyncIterable<MessageInitShape<typeof StepSampleSchema>>;
}

export interface StoredSample {
  readonly taskId: string;
  readonly trajectorySequence: bigint;
}

/** Where a kind finds what its batches are made of. The same for a step that is sent again, also in a later stage. */
export interface BatchSource {
  /** Of the recipe. */
  readonly seed: number;
  /** A file that the stage names (`StageKind.files`), absolute. */
  file(stage: string, name: string): string;
  /** The payload of a rollout, as it lies on its stream. */
  trajectory(sample: StoredSample): Promise<Uint8Array>;
  /** Groups of a stage that are over, in the order of the ledger; only those that were decided, with their rewards. */
  groupsOf(stage: string): AsyncIterable<{
    readonly samples: readonly (StoredSample & { readonly reward?: number | undefined })[];
  }>;
  /** `make` once for this run in this process. */
  once<T>(key: string, make: () => Promise<T>): Promise<T>;
  /** The error of a stage that has nothing to learn from. */
  nothing(message: string): TerminalError;
}
