import { create, equals } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ScoreItemSchema, ScoreSchema } from '#proto/reward/v1/reward_pb.ts';
import { SegmentKind, TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { packScore, unpackScore } from './recorded-score.ts';
import { goldRow } from '../../tests/fixtures/gold-item.ts';

const texts = ['<tool>search</tool>', '', '<answer> Verland Coast </answer>'];
const score = create(ScoreSchema, {
  id: 'task',
  components: { exact_match: 1 },
  detectors: { many_answers: 1 },
});
const segments = texts.map((text) => ({ kind: SegmentKind.MODEL, text }));

function recorded(written: readonly string[]) {
  const item = create(ScoreItemSchema, {
    id: 'task',
    row: goldRow({ answers: ['Verland Coast'], question: 'Where?' }),
    turns: texts.map((text, index) => ({ text, truncated: index === 1 })),
    scorers: [{ name: 'exact_match' }],
    judged: [{ name: 'correct', judge: 'main', method: { case: 'grade', value: { notAttempted: 0.5 } } }],
  });
  const base = create(TrajectorySchema, {
    taskId: 'task',
    segments: written.map((text) => ({ kind: SegmentKind.MODEL, text })),
  });
  return { item, trajectory: { ...base, ...packScore(base.segments, { item, score }) } };
}

describe('the score that a trajectory keeps', () => {
  it('is whole again, though the texts of the policy are kept once', () => {
    const { item, trajectory } = recorded(texts);
    expect(Buffer.from(trajectory.scoreItem).includes('Verland Coast </answer>')).toBe(false);
    expect(item.turns[2]?.text).toBe(texts[2]);
    const read = unpackScore(trajectory);
    if (read === undefined) throw new Error('no score');
    expect(equals(ScoreItemSchema, read.item, item)).toBe(true);
    expect(equals(ScoreSchema, read.score, score)).toBe(true);
  });

  it.each([
    ['other texts', ['a', 'b', 'c']],
    ['another number of turns', texts.slice(1)],
  ])('keeps its own texts next to segments with %s', (_name, written) => {
    const { item, trajectory } = recorded(written);
    const read = unpackScore(trajectory);
    expect(read !== undefined && equals(ScoreItemSchema, read.item, item)).toBe(true);
  });

  it('is undefined in a trajectory that was made before it was kept', () => {
    expect(unpackScore(create(TrajectorySchema, { segments }))).toBeUndefined();
  });

  it('is data loss when its bytes are damaged', () => {
    const { trajectory } = recorded(texts);
    expect(() => unpackScore({ ...trajectory, scoreItem: new Uint8Array([255, 255, 255]) })).toThrow(
      'trajectory of task task: its score does not decode',
    );
  });
});
