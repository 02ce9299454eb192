import { answerScores } from '#answer/answer-scores.ts';
import type { GradeAnswer } from '../script/judge-script.ts';
import { answerIn } from './answer-in.ts';

/** Token F1 with the best of the references that the prompt shows; 0 without any. */
export const gradeByReference: GradeAnswer = ({ references }, text) => answerScores(answerIn(text), references).f1;
