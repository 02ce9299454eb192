import type { Segment } from '#proto/trajectory/v1/trajectory_pb.ts';
import { environmentSegment, modelSegment, promptSegment } from '#shared/trajectory/segments.ts';
import { createSequenceHasher } from '#shared/trajectory/sequence-digest.ts';

export type SequenceRecorder = ReturnType<typeof createSequenceRecorder>;

/** The sequence so far, its segments and its running digest: one place appends, so they cannot disagree. */
export function createSequenceRecorder(contextTokens: number) {
  const segments: Segment[] = [];
  const tokenIds: number[] = [];
  const hasher = createSequenceHasher();
  let tokenizerHash = '';
  let modelTurns = 0;

  function append(segment: Segment): void {
    segments.push(segment);
    for (const id of segment.tokenIds) tokenIds.push(id);
    hasher.append(segment.tokenIds);
  }

  return {
    segments: segments as readonly Segment[],
    tokenIds: tokenIds as readonly number[],
    digest: () => hasher.digest(),
    tokenizerHash: () => tokenizerHash,
    modelTurns: () => modelTurns,
    /** Tokens that may still be added. */
    roomTokens: () => contextTokens - tokenIds.length,
    begin(text: string, ids: readonly number[], hash: string): void {
      tokenizerHash = hash;
      append(promptSegment(text, ids));
    },
    appendModel(turn: Parameters<typeof modelSegment>[0]): void {
      modelTurns += 1;
      append(modelSegment(turn));
    },
    appendEnvironment(text: string, ids: readonly number[]): void {
      if (ids.length > 0) append(environmentSegment(text, ids));
    },
  };
}
