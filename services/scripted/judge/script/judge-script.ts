import { createHash } from 'node:crypto';
import { drawLatencyMs, type LatencyOptions } from '../../latency.ts';
import { createRandom, type Random } from '#platform/random.ts';
import { readQuestion, type JudgeMessage, type JudgeQuestion } from '../questions/read-question.ts';

/** What an answer is worth, 0..1 where the judge rates it; any scale where it only compares. */
export type GradeAnswer = (
  asked: { readonly question: string; readonly references: readonly string[] },
  answer: string,
) => number;

export interface JudgeScriptOptions extends LatencyOptions {
  readonly grade: GradeAnswer;
  /** Scale of the logistic error with which a worth is seen; 0 never errs. */
  readonly noise: number;
  /** Log-odds in favour of what is shown first. */
  readonly positionBias: number;
  /** Differences, as they are seen, up to this are ties. */
  readonly tieBand: number;
  readonly seed: string;
}

export interface ScriptedReply {
  /** The same for the same question. */
  readonly id: string;
  readonly text: string;
  readonly latencyMs: number;
  readonly asks: JudgeQuestion['asks'];
}

/** The judge: a pure function of the messages, as at temperature 0. Undefined for what is no question of the reward service. */
export type JudgeScript = (messages: readonly JudgeMessage[]) => ScriptedReply | undefined;

export function createJudgeScript(options: JudgeScriptOptions): JudgeScript {
  const { seed } = options;
  return (messages) => {
    const question = readQuestion(messages);
    if (question === undefined) return undefined;
    const said = JSON.stringify(messages);
    return {
      id: `judged-${createHash('sha256')
        .update(JSON.stringify([seed, said]))
        .digest('hex')
        .slice(0, 24)}`,
      text: textOf(question, options, createRandom(seed, said)),
      latencyMs: drawLatencyMs(options, createRandom(seed, 'latency', said)),
      asks: question.asks,
    };
  };
}

function textOf(question: JudgeQuestion, options: JudgeScriptOptions, draw: Random): string {
  const worth = (answer: string): number => options.grade(question, answer);
  switch (question.asks) {
    case 'grade':
      if (question.answer.trim() === '') return 'C';
      return seen(worth(question.answer), options.noise, draw) >= 0.5 ? 'A' : 'B';
    case 'ratings': {
      const ratings = question.criteria.map(
        (name) => [name, seen(worth(question.answer), options.noise, draw)] as const,
      );
      return JSON.stringify(
        Object.fromEntries(ratings.map(([name, rating]) => [name, Math.min(1, Math.max(0, rating))])),
      );
    }
    case 'comparison':
      return JSON.stringify({
        verdict: compare(worth(question.first) - worth(question.second), question.allowTies, options, draw),
      });
    case 'ranking':
      return JSON.stringify({ ranking: rank(question.answers.map(worth), options, draw) });
  }
}

function seen(worth: number, noise: number, draw: Random): number {
  return noise === 0 ? worth : worth + noise * -Math.log(1 / between(draw) - 1);
}

/** Rao and Kupper's model (1967): a logistic error on the difference, and ties where what is seen lies within the band. */
function compare(difference: number, allowTies: boolean, options: JudgeScriptOptions, draw: Random): 'A' | 'B' | 'TIE' {
  const { noise, positionBias } = options;
  const band = allowTies ? options.tieBand : 0;
  if (noise === 0) {
    if (Math.abs(difference) > band) return difference > 0 ? 'A' : 'B';
    if (allowTies) return 'TIE';
  }
  const scale = noise === 0 ? 1 : noise;
  const odds = (edge: number): number => 1 / (1 + Math.exp(-((difference - edge) / scale + positionBias)));
  const drawn = uniform(draw);
  if (drawn < odds(band)) return 'A';
  return drawn < odds(-band) ? 'TIE' : 'B';
}

/** Places from 1, the best first. Gumbel errors make each pair come out as a comparison of the same noise would. */
function rank(worths: readonly number[], { noise, positionBias }: JudgeScriptOptions, draw: Random): number[] {
  const felt = worths.map((worth, place) => {
    const gumbel = -Math.log(-Math.log(between(draw)));
    return worth + noise * (gumbel + positionBias * (1 - place / worths.length));
  });
  return felt.map((_, place) => place + 1).sort((a, b) => (felt[b - 1] ?? 0) - (felt[a - 1] ?? 0));
}

function uniform(random: Random): number {
  return random(2 ** 32) / 2 ** 32;
}

/** Neither 0 nor 1. */
function between(random: Random): number {
  return (random(2 ** 32) + 1) / (2 ** 32 + 2);
}
