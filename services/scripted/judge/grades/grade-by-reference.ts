import { answerScores } from '#answer/answer-scores.ts';
import type { GradeAnswer } from '../script/judge-script.ts';

/** The last answer of a transcript; a text without the tag is the answer itself. */
export function answerIn(text: string): string {
  return [...text.matchAll(/<answer>([\s\S]*?)<\/answer>/g)].at(-1)?.[1] ?? text;
}

/** Token F1 with the best of the references that the prompt shows; 0 without any. */
export const gradeByReference: GradeAnswer = ({ references }, text) => answerScores(answerIn(text), references).f1;
