import type { Segment } from '#proto/trajectory/v1/trajectory_pb.ts';
import { environmentSegment, modelSegment, promptSegment } from '#trajectory/segments.ts';
import { createSequenceHasher } from '#trajectory/sequence-digest.ts';

export type SequenceRecorder = ReturnType<typeof createSequenceRecorder>;

/**
 * A sequence so far, its segments and its running digest: one place appends, so they cannot disagree. `episode` has the segments of all
 * sequences of the episode, in the order in which they came about.
 */
export function createSequenceRecorder(contextTokens: number, role = '', episode: Segment[] = []) {
  const tokenIds: number[] = [];
  const hasher = createSequenceHasher();
  let tokenizerHash = '';
  let modelTurns = 0;
  let turnTokens: readonly number[] = [];

  function append(segment: Segment): void {
    segment.role = role;
    episode.push(segment);
    for (const id of segment.tokenIds) tokenIds.push(id);
    hasher.append(segment.tokenIds);
  }

  return {
    role,
    tokenIds: tokenIds as readonly number[],
    digest: () => hasher.digest(),
    tokenizerHash: () => tokenizerHash,
    modelTurns: () => modelTurns,
    /** Of the newest turn; empty before the first. */
    turnTokens: () => turnTokens,
    /** Tokens that may still be added. */
    roomTokens: () => contextTokens - tokenIds.length,
    begin(text: string, ids: readonly number[], hash: string): void {
      tokenizerHash = hash;
      append(promptSegment(text, ids));
    },
    appendModel(turn: Parameters<typeof modelSegment>[0]): void {
      modelTurns += 1;
      turnTokens = turn.tokenIds;
      append(modelSegment(turn));
    },
    appendEnvironment(text: string, ids: readonly number[]): void {
      if (ids.length > 0) append(environmentSegment(text, ids));
    },
  };
}
