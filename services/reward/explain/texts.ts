import { answerScores, substringMatch } from '#answer/answer-scores.ts';
import { hotpotqaScores, isWhole } from '#answer/hotpotqa-scores.ts';
import { answerTokens, normalizeAnswer } from '#answer/normalize-answer.ts';
import { tokenOverlap } from '#answer/token-overlap.ts';
import type { SettingsOf } from '#rewards/scorer-catalogue.ts';
import type { Episode } from '../scorers/scorer.ts';
import { eachAnswer, quote, quoteAll, ratio, withoutPrediction, type Explained } from './explained.ts';

/** Scorers that compare normalised texts. Each answer is compared by itself, with the scorer's own comparison. */

export function explainExactMatch(episode: Episode): Explained {
  const { prediction, answers } = episode;
  if (prediction === undefined) return withoutPrediction(episode);
  if (answerTokens(prediction).length === 0) return nothingLeft(prediction);
  const equal = answers.findIndex((answer) => answerScores(prediction, [answer]).exactMatch === 1);
  const reasons = [normalised(prediction)];
  if (equal >= 0) return { value: 1, reasons: [...reasons, `equal to ${answerLabel(answers, equal)}`] };
  return { value: 0, reasons: [...reasons, ...otherAnswers(answers)] };
}

export function explainF1(episode: Episode): Explained {
  const { prediction } = episode;
  if (prediction === undefined) return withoutPrediction(episode);
  if (answerTokens(prediction).length === 0) return nothingLeft(prediction);
  return explainOverlap(prediction, episode.answers, (answer) => answerScores(prediction, [answer]).f1);
}

export function explainHotpotqaF1(episode: Episode): Explained {
  const { prediction, answers } = episode;
  if (prediction === undefined) return withoutPrediction(episode);
  const explained = explainOverlap(prediction, answers, (answer) => hotpotqaScores(prediction, [answer]).f1);
  const whole = [prediction, ...answers].some((text) => isWhole(answerTokens(text)));
  if (!whole || explained.value > 0) return explained;
  return {
    ...explained,
    reasons: [normalised(prediction), ...otherAnswers(answers), 'yes, no and noanswer are right or wrong as a whole'],
  };
}

export function explainSubstring(episode: Episode, settings: SettingsOf<'substring'>): Explained {
  const { prediction, answers } = episode;
  if (prediction === undefined) return withoutPrediction(episode);
  const options = { wholeWords: settings.whole_words, maxWords: settings.max_words };
  const reasons = [normalised(prediction)];
  const words = answerTokens(prediction).length;
  if (options.maxWords > 0 && words > options.maxWords) {
    return { value: 0, reasons: [...reasons, `it has ${words} words, more than max_words ${options.maxWords}`] };
  }
  const found = answers.findIndex((answer) => substringMatch(prediction, [answer], options) === 1);
  if (found >= 0) return { value: 1, reasons: [...reasons, `${answerLabel(answers, found)} occurs in it`] };
  const how = options.wholeWords ? ' as whole words' : '';
  return { value: 0, reasons: [...reasons, `no answer occurs in it${how}`, ...otherAnswers(answers)] };
}

/** The best answer by `f1Of`, and the tokens that it shares. */
function explainOverlap(prediction: string, answers: readonly string[], f1Of: (answer: string) => number): Explained {
  let best = { f1: 0, at: -1 };
  for (const [at, answer] of answers.entries()) {
    const f1 = f1Of(answer);
    if (f1 > best.f1) best = { f1, at };
  }
  const predicted = answerTokens(prediction);
  const answer = answers[best.at];
  if (answer === undefined) {
    return {
      value: 0,
      reasons: [normalised(prediction), 'it shares no token with an answer', ...otherAnswers(answers)],
    };
  }
  const gold = answerTokens(answer);
  const { precision, recall } = tokenOverlap(predicted, gold);
  const shared = sharedTokens(predicted, gold);
  return {
    value: best.f1,
    reasons: [
      normalised(prediction),
      `best is ${answerLabel(answers, best.at)}`,
      `shared: ${quoteAll(shared)}`,
      `precision ${shared.length}/${predicted.length} = ${ratio(precision)}, recall ${shared.length}/${gold.length} = ${ratio(recall)}`,
    ],
  };
}

function sharedTokens(predicted: readonly string[], gold: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const token of gold) left.set(token, (left.get(token) ?? 0) + 1);
  return predicted.filter((token) => {
    const many = left.get(token) ?? 0;
    left.set(token, many - 1);
    return many > 0;
  });
}

function normalised(prediction: string): string {
  return `the prediction ${quote(prediction)} is ${quote(normalizeAnswer(prediction))} after normalisation`;
}

function nothingLeft(prediction: string): Explained {
  return { value: 0, reasons: [`nothing is left of the prediction ${quote(prediction)} after normalisation`] };
}

function answerLabel(answers: readonly string[], at: number): string {
  const answer = answers[at] ?? '';
  const which = answers.length === 1 ? 'the answer' : `answer ${at + 1} of ${answers.length},`;
  return `${which} ${quote(answer)}, ${quote(normalizeAnswer(answer))} after normalisation`;
}

function otherAnswers(answers: readonly string[]): string[] {
  return eachAnswer(answers, (answer) => `answer ${quote(answer)} is ${quote(normalizeAnswer(answer))}`);
}
