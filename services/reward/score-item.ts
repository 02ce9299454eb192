import type { ScoreItem, Turn } from '#proto/reward/v1/reward_pb.ts';
import { answerScores, type AnswerScores } from '#answer/answer-scores.ts';
import { answerTokens } from '#answer/normalize-answer.ts';
import { rowFacts } from '#questions/row-facts.ts';
import { isPlainScorer, isSettableScorer } from '#rewards/scorer-catalogue.ts';
import { detectHacking } from './detectors/detect-hacking.ts';
import { compileScorer } from './scorers/compile-scorer.ts';
import { plainScorerFunctions } from './scorers/registry.ts';
import type { Episode } from './scorers/scorer.ts';

export interface ItemScore {
  readonly id: string;
  /** What the environment gave, and the value of every built-in scorer of the item, 0..1. */
  readonly components: Record<string, number>;
  /** Those that fired, 0..1. */
  readonly detectors: Readonly<Record<string, number>>;
}

/** Scores a checked item. Pure. */
export function scoreItem(item: ScoreItem): ItemScore {
  const episode = episodeOf(item);
  const components: Record<string, number> = { ...item.given };
  for (const { name, settingsJson } of item.scorers) {
    if (isPlainScorer(name)) components[name] = plainScorerFunctions[name](episode);
    else if (isSettableScorer(name)) components[name] = compileScorer(name, settingsJson).score(episode);
  }
  return { id: item.id, components, detectors: detectHacking(episode) };
}

export function episodeOf({ row, turns, tokens }: ScoreItem): Episode {
  const { answers, question, supportTitles } = rowFacts(row);
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
  if (prediction === undefined) return { exactMatch: 0, f1: 0 };
  const scores = answerScores(prediction, answers);
  // An option's letter such as "A" normalises to nothing, and so do other texts: no point for being as empty as it.
  return scores.exactMatch === 1 && answerTokens(prediction).length === 0 ? { exactMatch: 0, f1: 0 } : scores;
}
