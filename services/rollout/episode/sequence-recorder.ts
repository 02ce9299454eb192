import { SegmentKind, type Segment } from '#proto/trajectory/v1/trajectory_pb.ts';
import { concatenateTokens, environmentSegment, modelSegment, promptSegment } from '#trajectory/segments.ts';
import { createSequenceHasher } from '#trajectory/sequence-digest.ts';

/** What another sequence begins with. */
export interface SequencePrefix {
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly tokenizerHash: string;
  /** Of the turn at its end. */
  readonly turnTokens: readonly number[];
}

export type SequenceRecorder = ReturnType<typeof createSequenceRecorder>;

/**
 * A sequence so far, its segments and its running digest: one place appends, so they cannot disagree. `episode` has the segments of all
 * sequences of the episode, in the order in which they came about.
 */
export function createSequenceRecorder(contextTokens: number, role = '', episode: Segment[] = []) {
  const tokenIds: number[] = [];
  const own: Segment[] = [];
  let hasher = createSequenceHasher();
  let tokenizerHash = '';
  let modelTurns = 0;
  let turnTokens: readonly number[] = [];

  function append(segment: Segment): void {
    segment.role = role;
    episode.push(segment);
    own.push(segment);
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
    /** The sequence up to the end of a turn, from 1; undefined where there is no such turn. */
    upTo(turn: number): SequencePrefix | undefined {
      const turns = own.filter(({ kind }) => kind === SegmentKind.MODEL);
      const last = turns[turn - 1];
      if (last === undefined) return undefined;
      const before = own.slice(0, own.indexOf(last) + 1);
      const text = before.map((segment) => segment.text).join('');
      return { text, tokenIds: concatenateTokens(before), tokenizerHash, turnTokens: last.tokenIds };
    },
    begin(text: string, ids: readonly number[], hash: string): void {
      tokenizerHash = hash;
      append(promptSegment(text, ids));
    },
    appendModel(turn: Parameters<typeof modelSegment>[0]): void {
      modelTurns += 1;
      turnTokens = turn.tokenIds;
      append(modelSegment(turn));
    },
    /** Takes the newest segments of this sequence back, down to `kept` of them. None of them is a turn. */
    dropAfter(kept: number): void {
      for (const segment of own.splice(kept)) tokenIds.length -= segment.tokenIds.length;
      hasher = createSequenceHasher();
      hasher.append(tokenIds);
    },
    segments: (): number => own.length,
    appendEnvironment(text: string, ids: readonly number[]): void {
      if (ids.length > 0) append(environmentSegment(text, ids));
    },
  };
}
