import type { Question } from '../question.ts';
import { fenceRule, fenceText } from './fence-text.ts';
import { findJson } from './find-json.ts';

export type PairVerdict = 'first' | 'second' | 'tie';

const verdicts: Readonly<Record<string, PairVerdict>> = { A: 'first', B: 'second', TIE: 'tie' };

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

/** The verdict of the JSON object, or a word that stands alone; two different ones say nothing. */
export function parseVerdict(text: string, allowTies: boolean): PairVerdict | undefined {
  const json = findJson(text);
  const said = json === undefined ? new Set(text.match(/\b(?:A|B|TIE)\b/g)) : new Set([json['verdict']]);
  const [word] = said;
  if (said.size !== 1 || typeof word !== 'string') return undefined;
  const verdict = Object.hasOwn(verdicts, word) ? verdicts[word] : undefined;
  return verdict === 'tie' && !allowTies ? undefined : verdict;
}
