import type { ScoreItem, Turn } from '#proto/reward/v1/reward_pb.ts';
import { answerScores, type AnswerScores } from '#shared/answer/answer-scores.ts';
import { answerTokens } from '#shared/answer/normalize-answer.ts';
import { composeTotal } from '#shared/rewards/compose.ts';
import { coreScorers, isSettableScorer } from '#shared/rewards/scorer-catalogue.ts';
import { valueReader, type RecordedValues } from '#shared/rewards/value-reader.ts';
import { detectHacking } from './detectors/detect-hacking.ts';
import { compileScorer } from './scorers/compile-scorer.ts';
import { coreScorerFunctions } from './scorers/registry.ts';
import type { Episode } from './scorers/scorer.ts';

export interface ItemScore {
  readonly id: string;
  /** What the item's composition makes of its rewards; NaN when it reads a component that a judge has to give. */
  readonly total: number;
  /** Every core scorer's value and that of every scorer of the item's rewards, 0..1. */
  readonly components: Record<string, number>;
  /** Those that fired, 0..1. */
  readonly detectors: Readonly<Record<string, number>>;
}

/** Scores a checked item. Pure. */
export function scoreItem(item: ScoreItem): ItemScore {
  const episode = episodeOf(item);
  const components: Record<string, number> = {};
  for (const name of coreScorers) components[name] = coreScorerFunctions[name](episode);
  for (const { name, settingsJson } of item.rewards) {
    if (isSettableScorer(name)) components[name] = compileScorer(name, settingsJson).score(episode);
  }
  const detectors = detectHacking(episode);
  return { id: item.id, total: totalOf(item, { components, detectors }), components, detectors };
}

/** The reward that the components give, judged ones included. */
export function totalOf({ rewards, judged, composition }: ScoreItem, score: RecordedValues): number {
  return composeTotal([...rewards, ...judged], composition, valueReader(score));
}

export function episodeOf({ answers, turns, question, supportTitles, tokens }: ScoreItem): Episode {
  const prediction = predictionOf(turns);
  return { answers, turns, question, prediction, answerScores: scoresOf(prediction, answers), supportTitles, tokens };
}

/** The answer counts only when it is the one answer of the episode and its last turn. */
export function predictionOf(turns: readonly Turn[]): string | undefined {
  const answers = turns.filter(({ action }) => action.case === 'answer');
  const last = turns.at(-1)?.action;
  return answers.length === 1 && last?.case === 'answer' ? last.value.text : undefined;
}

function scoresOf(prediction: string | undefined, answers: readonly string[]): AnswerScores {
  if (prediction === undefined) return { em: 0, f1: 0 };
  const scores = answerScores(prediction, answers);
  // An option's letter such as "A" normalises to nothing, and so do other texts: no point for being as empty as it.
  return scores.em === 1 && answerTokens(prediction).length === 0 ? { em: 0, f1: 0 } : scores;
}
