import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { GroupwiseScorer } from '#recipe/reward-parts.ts';
import { declaredScorerSchema } from '#recipe/reward-parts.ts';
import type { Group } from '../groups/group.ts';
import { goldRow } from '../../../tests/fixtures/gold-item.ts';

const row = goldRow({ question: 'What?', answers: ['that', 'it'], hops: 2 });

/** A settled group; undefined for a sample that is absent. Task ids are t0, t1 … */
export function settledGroup(
  results: readonly (MessageInitShape<typeof RolloutResultSchema> | undefined)[],
  groupId = 'a'.repeat(64),
): Group {
  return {
    plan: { groupId, draw: 0, row, taskIds: results.map((_, index) => `t${index}`), seed: 7n },
    samples: results.map((result, index) => ({
      taskId: `t${index}`,
      index,
      state: result === undefined ? 'absent' : 'done',
      attempt: 0,
      firstAttempt: 0,
      askAtMs: 0,
      publishedMs: 0,
      answeredMs: 0,
      sequence: undefined,
      cancelled: false,
      result: result && create(RolloutResultSchema, { taskId: `t${index}`, trajectorySequence: 1n, ...result }),
    })),
    openedAtMs: 0,
    deadlineAtMs: 1,
    settledAtMs: 1,
    scoringSeconds: undefined,
    fate: undefined,
    hurried: false,
  };
}

/** A groupwise scorer with its defaults. */
export function groupwiseScorer(settings: object): GroupwiseScorer {
  const scorer = declaredScorerSchema.parse({ judge: 'main', ...settings });
  if (scorer.kind !== 'pairwise' && scorer.kind !== 'listwise') throw new TypeError(`${scorer.kind} is not groupwise`);
  return scorer;
}
