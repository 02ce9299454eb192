import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { FinishReason, SegmentKind, TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';

/** A sequence to learn: text by who writes it. What the model writes is learnt. */
export interface WrittenRow {
  readonly segments: readonly {
    readonly kind: 'prompt' | 'model' | 'environment';
    readonly text: string;
    /** The model ends its turn here: the end-of-sequence token is learnt, too. */
    readonly end: boolean;
  }[];
}

const kinds = {
  prompt: SegmentKind.PROMPT,
  model: SegmentKind.MODEL,
  environment: SegmentKind.ENVIRONMENT,
} as const;

/** As the learner takes it: text without tokens, which it tokenises itself. */
export function packRow(row: WrittenRow, id: string): Uint8Array {
  const trajectory = create(TrajectorySchema, {
    taskId: id,
    segments: row.segments.map(({ kind, text: written, end }) => ({
      kind: kinds[kind],
      text: written,
      ...(end && { finishReason: FinishReason.STOP }),
    })),
  });
  return gzipSync(toBinary(TrajectorySchema, trajectory), { level: 1 });
}
