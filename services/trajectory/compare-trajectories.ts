import { SegmentKind, type Segment, type Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';

/** The first place where two trajectories of one task part. Positions count from 0. */
export interface TrajectoryDifference {
  readonly segment: number;
  /** Of the recorded segment; of the replayed one where the record has ended. */
  readonly kind: SegmentKind;
  /** Within the segment. */
  readonly token: number;
  /** Absent where that side has ended, or has a segment of another kind. */
  readonly expectedToken: number | undefined;
  readonly gotToken: number | undefined;
  /** Log-probabilities of these two tokens; for segments of the policy. */
  readonly expectedLogprob: number | undefined;
  readonly gotLogprob: number | undefined;
  /** Text of the segment around the place, on either side. */
  readonly expectedText: string;
  readonly gotText: string;
}

export interface TrajectoryComparison {
  /** Whole segments that are equal, and tokens, those before the difference included. */
  readonly equalSegments: number;
  readonly equalTokens: number;
  /** Most by which the log-probability of an equal token differs; 0 when they agree to the last bit. */
  readonly largestLogprobDifference: number;
  readonly difference: TrajectoryDifference | undefined;
  /** Where the comparison ended because no single policy version wrote what follows. */
  readonly changedWeights: { readonly segment: number; readonly first: bigint; readonly last: bigint } | undefined;
}

/**
 * Compares a replay with the record, segment by segment and token by token, up to the first difference. `version` is the
 * one that was played again; a recorded segment that another one (also) wrote can not be expected to come again, and ends
 * the comparison. Undefined compares everything.
 */
export function compareTrajectories(
  recorded: Pick<Trajectory, 'segments'>,
  replayed: Pick<Trajectory, 'segments'>,
  version: bigint | undefined,
): TrajectoryComparison {
  let equalSegments = 0;
  let equalTokens = 0;
  let largestLogprobDifference = 0;
  const outcome = (
    end: Partial<Pick<TrajectoryComparison, 'difference' | 'changedWeights'>> = {},
  ): TrajectoryComparison => ({
    equalSegments,
    equalTokens,
    largestLogprobDifference,
    difference: end.difference,
    changedWeights: end.changedWeights,
  });

  for (let segment = 0; segment < Math.max(recorded.segments.length, replayed.segments.length); segment += 1) {
    const expected = recorded.segments[segment];
    const got = replayed.segments[segment];
    const versions = expected?.versions;
    if (version !== undefined && versions !== undefined && (versions.first !== version || versions.last !== version)) {
      return outcome({ changedWeights: { segment, first: versions.first, last: versions.last } });
    }
    const same =
      expected !== undefined && got !== undefined && expected.kind === got.kind && expected.role === got.role;
    const equal = same ? commonLength(expected.tokenIds, got.tokenIds) : 0;
    equalTokens += equal;
    for (let token = 0; token < equal; token += 1) {
      const apart = Math.abs((expected?.logprobs[token] ?? 0) - (got?.logprobs[token] ?? 0));
      largestLogprobDifference = Math.max(largestLogprobDifference, apart);
    }
    if (!same || equal < expected.tokenIds.length || equal < got.tokenIds.length)
      return outcome({ difference: differenceAt(segment, equal, expected, got) });
    equalSegments += 1;
  }
  return outcome();
}

function commonLength(a: ArrayLike<unknown>, b: ArrayLike<unknown>): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length += 1;
  return length;
}

function differenceAt(
  segment: number,
  token: number,
  expected: Segment | undefined,
  got: Segment | undefined,
): TrajectoryDifference {
  const at = commonLength(expected?.text ?? '', got?.text ?? '');
  return {
    segment,
    kind: expected?.kind ?? got?.kind ?? SegmentKind.UNSPECIFIED,
    token,
    expectedToken: expected?.tokenIds[token],
    gotToken: got?.tokenIds[token],
    expectedLogprob: expected?.logprobs[token],
    gotLogprob: got?.logprobs[token],
    expectedText: around(expected?.text ?? '', at),
    gotText: around(got?.text ?? '', at),
  };
}

const charactersAround = 60;

function around(text: string, at: number): string {
  const from = Math.max(0, at - charactersAround);
  const to = Math.min(text.length, at + charactersAround);
  return `${from > 0 ? '…' : ''}${text.slice(from, to).toWellFormed()}${to < text.length ? '…' : ''}`;
}
