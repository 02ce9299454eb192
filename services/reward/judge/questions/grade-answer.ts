import type { Question } from '../question.ts';
import { fenceRule, fenceText } from './fence-text.ts';
import { statedChoice } from './stated-choice.ts';

export type Grade = 'correct' | 'incorrect' | 'not_attempted';

const grades: Readonly<Record<string, Grade>> = { A: 'correct', B: 'incorrect', C: 'not_attempted' };
const meanings = { A: 'correct', B: 'incorrect', C: 'not attempted' };

const instructions = `You grade an answer to a question against the reference answers.
${fenceRule}
A: correct. The answer states what a reference states. Wording, order, case, spelling slips and further true detail do not matter;
   a number is right when it is right to the precision of the reference.
B: incorrect. The answer contradicts the references, offers several candidates, or is wrong in any part that the question asks for,
   even when it hedges.
C: not attempted. The answer commits to nothing that contradicts the references, and does not give what was asked: it declines,
   says that it does not know, or stays too vague.
Use nothing but the references to decide what is true.`;

const form = 'Reply with one letter: A, B or C.';

export interface AnswerToGrade {
  readonly question: string;
  /** The answer and its aliases. */
  readonly references: readonly string[];
  readonly answer: string;
  readonly maxCharacters: number;
}

/** SimpleQA's three grades (arXiv 2411.04368) in words of our own. */
export function gradeAnswer({ question, references, answer, maxCharacters }: AnswerToGrade): Question<Grade> {
  const shown = [
    fenceText('QUESTION', question, maxCharacters),
    ...references.map((reference) => fenceText('REFERENCE', reference, maxCharacters)),
    fenceText('ANSWER', answer, maxCharacters),
  ];
  return {
    template: 'grade-answer/1',
    messages: [
      { role: 'system', content: instructions },
      { role: 'user', content: `${shown.join('\n')}\n${form}` },
    ],
    form,
    parse: parseGrade,
  };
}

/** The letter that the reply states: prose with an "A" in it is no grade (the reference script takes the first letter that it meets). */
export function parseGrade(text: string): Grade | undefined {
  const letter = statedChoice(text, meanings);
  return letter === undefined ? undefined : grades[letter];
}
