import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { FailureClass, type RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { compose } from '#rewards/compose.ts';

/** What became of the rollouts of a bench. */
export interface TallyCounts {
  /** Distinct tasks with a result. */
  readonly answered: number;
  /** Results beyond the first of a task: each would have counted twice. */
  readonly duplicated: number;
  /** Results of tasks that were never asked for. */
  readonly unknown: number;
  /** Distinct tasks by failure class; those with an answer are not in it. */
  readonly failures: Readonly<Record<string, number>>;
  readonly rewardMean: number;
  readonly turns: number;
}

export interface Quantiles {
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
}

/** Counts results by task id, whatever the broker delivers how often; `composition` makes their rewards. */
export function createTally(composition: Composition) {
  /** Asked for, and whether there is a result. */
  const tasks = new Map<string, boolean>();
  const failures: Record<string, number> = {};
  const overheadsMs: number[] = [];
  let answered = 0;
  let duplicated = 0;
  let unknown = 0;
  let rewards = 0;
  let rewarded = 0;
  let turns = 0;

  return {
    asked: (taskId: string): void => void tasks.set(taskId, tasks.get(taskId) ?? false),
    /** True when the task has its first result with this. */
    received(result: RolloutResult): boolean {
      const isAnswered = tasks.get(result.taskId);
      if (isAnswered === undefined) unknown += 1;
      if (isAnswered === true) duplicated += 1;
      if (isAnswered !== false) return false;
      tasks.set(result.taskId, true);
      answered += 1;
      turns += result.turns;
      if (result.failure !== FailureClass.UNSPECIFIED) {
        const name = nameOf(result.failure);
        failures[name] = (failures[name] ?? 0) + 1;
      }
      const reward = compose(composition, result);
      if (reward !== undefined) {
        rewards += reward;
        rewarded += 1;
      }
      if (result.turns > 0) overheadsMs.push((result.durationMs - result.generateMs) / result.turns);
      return true;
    },
    get answered() {
      return answered;
    },
    counts: (): TallyCounts => ({
      answered,
      duplicated,
      unknown,
      failures: { ...failures },
      rewardMean: rewarded === 0 ? 0 : rewards / rewarded,
      turns,
    }),
    /** Per rollout: its time without that of the engines, over its turns. */
    overheadMsPerTurn: (): Quantiles => quantiles(overheadsMs),
  };
}

/** Nearest rank; 0 of nothing. */
export function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Number((sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0).toFixed(2));
  return { median: at(0.5), p90: at(0.9), p99: at(0.99) };
}

function nameOf(failure: FailureClass): string {
  const found = Object.entries(FailureClass).find(([, value]) => value === failure);
  return found?.[0].toLowerCase() ?? String(failure);
}
