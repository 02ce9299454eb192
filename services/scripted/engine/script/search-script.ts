import { createCodec, type CodecName } from '#environments/kit/codec.ts';
import { createRandom } from '#platform/random.ts';
import type { Script } from '../engine/engine.ts';
import { drawLatencyMs, type LatencyOptions } from '../../latency.ts';
import type { QuestionIndex } from './question-index.ts';
import type { ScriptedQuestion } from './read-questions.ts';

export interface SearchScriptOptions extends LatencyOptions {
  readonly questions: QuestionIndex;
  readonly codec: CodecName;
  /** Tool calls, and the answer as the last. */
  readonly turns: number;
  readonly rightProbability: number;
  readonly onUnknownPrompt: () => void;
}

const nobody: ScriptedQuestion = { question: '', answer: 'unknown', titles: ['unknown'], pageIds: [] };

/**
 * Searches for a fact's page and reads it, fact after fact, and answers in the last turn: rightly with the given
 * probability, else with the answer to another question. A pure function of the sequence, the turn and the sampling seed.
 */
export function createSearchScript(options: SearchScriptOptions): Script {
  const { questions } = options;
  const { renderCall, renderAnswer } = createCodec(options.codec);

  function textOf(question: ScriptedQuestion, turn: number, isRight: boolean, other: ScriptedQuestion): string {
    if (turn >= options.turns - 1) return renderAnswer(isRight ? question.answer : other.answer);
    const fact = Math.floor(turn / 2);
    const pageId = question.pageIds[fact % Math.max(1, question.pageIds.length)];
    return turn % 2 === 1 && pageId !== undefined
      ? renderCall('scrape', { id: pageId })
      : renderCall('websearch', { query: question.titles[fact % question.titles.length] ?? question.question });
  }

  return ({ request, turn }) => {
    const random = createRandom(String(request.sampling?.seed ?? 0n), turn);
    const latencyMs = drawLatencyMs(options, random);
    const isRight = random(1_000_000) < options.rightProbability * 1_000_000;
    const other = questions.questions[random(Math.max(1, questions.size))] ?? nobody;
    const question = questions.find(request.tokenIds);
    if (question === undefined) options.onUnknownPrompt();
    return { latencyMs, text: textOf(question ?? nobody, turn, isRight, other) };
  };
}
