import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ScoreItemSchema, ScoreSchema, type Score, type ScoreItem, type Turn } from '#proto/reward/v1/reward_pb.ts';
import { SegmentKind, type Segment, type Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError } from '#platform/errors.ts';

/** How a rollout was scored, as its trajectory keeps it. */
export interface RecordedScore {
  readonly item: ScoreItem;
  readonly score: Score;
}

/**
 * The fields of a trajectory that keep a score. The texts of the turns are left out where the segments of the policy hold them,
 * which is always, unless an environment makes turns of its own: they are most of an item.
 */
export function packScore(
  segments: readonly Segment[],
  { item, score }: RecordedScore,
): Pick<Trajectory, 'scoreItem' | 'score'> {
  const turns = sameTexts(segments, item.turns) ? item.turns.map((turn) => ({ ...turn, text: '' })) : item.turns;
  return { scoreItem: toBinary(ScoreItemSchema, { ...item, turns }), score: toBinary(ScoreSchema, score) };
}

/**
 * The inverse; undefined for a trajectory that keeps none, as those made before these fields. Throws TerminalError('data_loss') for
 * bytes that are no item or no score.
 */
export function unpackScore({ segments, scoreItem, score, taskId }: Trajectory): RecordedScore | undefined {
  if (scoreItem.length === 0) return undefined;
  try {
    const item = fromBinary(ScoreItemSchema, scoreItem);
    const written = textsOf(segments);
    const packed = written.length === item.turns.length && item.turns.every(({ text }) => text === '');
    if (packed) for (const [index, turn] of item.turns.entries()) turn.text = written[index] ?? '';
    return { item, score: fromBinary(ScoreSchema, score) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TerminalError('data_loss', `trajectory of task ${taskId}: its score does not decode: ${why}`, { cause });
  }
}

function sameTexts(segments: readonly Segment[], turns: readonly Turn[]): boolean {
  const written = textsOf(segments);
  return written.length === turns.length && turns.every(({ text }, index) => text === written[index]);
}

function textsOf(segments: readonly Segment[]): string[] {
  return segments.flatMap(({ kind, text }) => (kind === SegmentKind.MODEL ? [text] : []));
}
