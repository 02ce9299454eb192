import type { Question } from '../question.ts';
import { fenceRule, fenceText } from './fence-text.ts';
import { findJson } from './find-json.ts';
import { statedChoice } from './stated-choice.ts';

export type PairVerdict = 'first' | 'second' | 'tie';

const verdicts: Readonly<Record<string, PairVerdict>> = { A: 'first', B: 'second', TIE: 'tie' };
const meanings = { A: 'first', B: 'second', TIE: 'tie' };

/** What makes one better when the request does not say. */
export const defaultCriterion = 'The better one is correct; among correct ones, complete; among complete ones, brief.';

export interface PairToCompare {
  readonly question: string;
  readonly references: readonly string[];
  readonly first: string;
  readonly second: string;
  readonly criterion: string;
  readonly allowTies: boolean;
  readonly maxCharacters: number;
}

export function comparePair(input: PairToCompare): Question<PairVerdict> {
  const { maxCharacters, allowTies } = input;
  const choices = allowTies ? ['A', 'B', 'TIE'] : ['A', 'B'];
  const form = `Reply with one JSON object: {"verdict": "A"} or {"verdict": "B"}${allowTies ? ' or {"verdict": "TIE"}' : ''}.`;
  const shown = [
    fenceText('QUESTION', input.question, maxCharacters),
    ...input.references.map((reference) => fenceText('REFERENCE', reference, maxCharacters)),
    fenceText('A', input.first, maxCharacters),
    fenceText('B', input.second, maxCharacters),
  ];
  return {
    template: 'compare-pair/1',
    messages: [
      {
        role: 'system',
        content: `You compare two answers to a question, A and B. ${input.criterion}
Which of them stands first, and which is longer, means nothing.${allowTies ? ' TIE: neither is better.' : ' Prefer one, however close they are.'}
${fenceRule}`,
      },
      { role: 'user', content: `${shown.join('\n')}\n${form}` },
    ],
    schema: {
      name: 'verdict',
      schema: {
        type: 'object',
        properties: { verdict: { type: 'string', enum: choices } },
        required: ['verdict'],
        additionalProperties: false,
      },
    },
    form,
    parse: (text) => parseVerdict(text, allowTies),
  };
}

/** The verdict of the JSON object, or the one that the reply states; two different ones say nothing. */
export function parseVerdict(text: string, allowTies: boolean): PairVerdict | undefined {
  const json = findJson(text);
  // What looks like the form and is none, or is there twice, is not read as prose.
  const word = json === undefined ? (/\{\s*"/.test(text) ? undefined : statedChoice(text, meanings)) : json['verdict'];
  const verdict = typeof word === 'string' && Object.hasOwn(verdicts, word) ? verdicts[word] : undefined;
  return verdict === 'tie' && !allowTies ? undefined : verdict;
}
