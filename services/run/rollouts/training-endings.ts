import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { failureWord } from '#trajectory/enum-words.ts';

/** How the training rollouts of one stage ended. */
export interface StageEndings {
  /** By the class of the failure, `answered` where there was none; each result once, so that a rollout that was asked for again may be here twice. */
  readonly endings: Readonly<Record<string, number>>;
  /** Id of the newest rollout that ended as most did and can be looked at; null where none left a trajectory. */
  readonly typicalRollout: string | null;
}

/** Counts results by stage; keeps one rollout of each ending, whatever the length of the run (P6). */
export function createTrainingEndings() {
  const stages = new Map<string, Map<string, { count: number; newest: string | undefined }>>();
  return {
    add({ purpose, stage, failure, taskId, trajectorySequence }: RolloutResult): void {
      if (purpose !== Purpose.TRAIN) return;
      const endings = stages.get(stage) ?? new Map<string, { count: number; newest: string | undefined }>();
      stages.set(stage, endings);
      const word = failure === FailureClass.UNSPECIFIED ? 'answered' : failureWord(failure);
      const known = endings.get(word);
      const newest = trajectorySequence === 0n ? known?.newest : taskId;
      endings.set(word, { count: (known?.count ?? 0) + 1, newest });
    },
    of(stage: string): StageEndings {
      const sorted = [...(stages.get(stage) ?? [])].toSorted(([, a], [, b]) => b.count - a.count);
      return {
        endings: Object.fromEntries(sorted.map(([word, { count }]) => [word, count])),
        typicalRollout: sorted.find(([, { newest }]) => newest !== undefined)?.[1].newest ?? null,
      };
    },
  };
}

export type TrainingEndings = ReturnType<typeof createTrainingEndings>;
