import type { ScoreItem, Turn } from '#proto/reward/v1/reward_pb.ts';
import { scorers } from './scorers/registry.ts';

export interface ItemScore {
  readonly id: string;
  /** Sum of weight x component over the item's rewards. */
  readonly total: number;
  /** Every scorer's value, 0..1. */
  readonly components: Record<string, number>;
}

/** Scores a checked item. Pure. */
export function scoreItem(item: ScoreItem): ItemScore {
  const episode = { answers: item.answers, turns: item.turns, prediction: predictionOf(item.turns) };
  const components: Record<string, number> = {};
  for (const [name, score] of scorers) components[name] = score(episode);
  let total = 0;
  for (const { name, weight } of item.rewards) total += weight * (components[name] ?? 0);
  return { id: item.id, total, components };
}

/** The answer counts only when it is the one answer of the episode and its last turn. */
export function predictionOf(turns: readonly Turn[]): string | undefined {
  const answers = turns.filter(({ action }) => action.case === 'answer');
  const last = turns.at(-1)?.action;
  return answers.length === 1 && last?.case === 'answer' ? last.value.text : undefined;
}
