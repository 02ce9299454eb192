import { create } from '@bufbuild/protobuf';
import {
  type FinishReason,
  LogprobKind,
  type Sampling,
  type Segment,
  SegmentKind,
  SegmentSchema,
  type VersionSpan,
} from '#proto/trajectory/v1/trajectory_pb.ts';

export function promptSegment(text: string, tokenIds: readonly number[]): Segment {
  return create(SegmentSchema, { kind: SegmentKind.PROMPT, text, tokenIds: [...tokenIds] });
}

export function environmentSegment(text: string, tokenIds: readonly number[]): Segment {
  return create(SegmentSchema, { kind: SegmentKind.ENVIRONMENT, text, tokenIds: [...tokenIds] });
}

/** What an engine's answer and the request for it say about one turn. */
export interface ModelTurn {
  readonly text: string;
  readonly tokenIds: number[];
  readonly logprobs: number[];
  readonly logprobKind: LogprobKind;
  readonly finishReason: FinishReason;
  readonly versions: VersionSpan;
  readonly sampling: Sampling;
}

/** The segment takes the arrays of the turn: nothing may change them afterwards. */
export function modelSegment(turn: ModelTurn): Segment {
  return create(SegmentSchema, {
    kind: SegmentKind.MODEL,
    text: turn.text,
    tokenIds: turn.tokenIds,
    logprobs: turn.logprobs,
    logprobKind: turn.logprobKind,
    finishReason: turn.finishReason,
    versions: turn.versions,
    sampling: turn.sampling,
  });
}

type Tokens = Pick<Segment, 'kind' | 'tokenIds'>;

/** Those of one sequence; the role is empty where the environment has none. */
export function segmentsOfRole<Of extends Pick<Segment, 'role'>>(segments: readonly Of[], role: string): Of[] {
  return segments.filter((segment) => segment.role === role);
}

/** The sequence that the engine saw, of the segments of one role. */
export function concatenateTokens(segments: readonly Tokens[]): number[] {
  const all: number[] = [];
  for (const segment of segments) for (const id of segment.tokenIds) all.push(id);
  return all;
}

export interface TokenCounts {
  readonly prompt: number;
  readonly model: number;
  readonly environment: number;
}

export function countTokens(segments: readonly Tokens[]): TokenCounts {
  const count = (kind: SegmentKind): number =>
    segments.reduce((sum, segment) => sum + (segment.kind === kind ? segment.tokenIds.length : 0), 0);
  return {
    prompt: count(SegmentKind.PROMPT),
    model: count(SegmentKind.MODEL),
    environment: count(SegmentKind.ENVIRONMENT),
  };
}

/** Whether a turn is of text alone: its ids stand for text, not for tokens of the model. */
export function isTextOnly(segments: readonly Pick<Segment, 'logprobKind'>[]): boolean {
  return segments.some(({ logprobKind }) => logprobKind === LogprobKind.ABSENT);
}

/** Oldest and newest policy version that wrote a segment; undefined when the policy wrote none. */
export function versionSpan(
  segments: readonly Pick<Segment, 'kind' | 'versions'>[],
): { readonly first: bigint; readonly last: bigint } | undefined {
  let span: { first: bigint; last: bigint } | undefined;
  for (const { kind, versions } of segments) {
    if (kind !== SegmentKind.MODEL || versions === undefined) continue;
    span =
      span === undefined
        ? { first: versions.first, last: versions.last }
        : {
            first: versions.first < span.first ? versions.first : span.first,
            last: versions.last > span.last ? versions.last : span.last,
          };
  }
  return span;
}

/** Rounding of engines may lift a certainty above 0 by this. */
const tolerance = 1e-4;

/** Index of the first that is not a log-probability (NaN, an infinity, above 0); -1 when all are. */
export function badLogprob(logprobs: readonly number[]): number {
  return logprobs.findIndex((logprob) => !(logprob <= tolerance && logprob > -Infinity));
}
