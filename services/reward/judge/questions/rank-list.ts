import type { Question } from '../question.ts';
import { fenceRule, fenceText } from './fence-text.ts';
import { findJson } from './find-json.ts';

export interface ListToRank {
  readonly question: string;
  readonly references: readonly string[];
  /** In the order in which they are shown. */
  readonly answers: readonly string[];
  readonly criterion: string;
  readonly maxCharacters: number;
}

/** Indices of `answers`, the best first. */
export function rankList(input: ListToRank): Question<readonly number[]> {
  const { answers, maxCharacters } = input;
  const form = `Reply with one JSON object: {"ranking": [NUMBER, ...]}, all numbers from 1 to ${answers.length}, the best answer first.`;
  const shown = [
    fenceText('QUESTION', input.question, maxCharacters),
    ...input.references.map((reference) => fenceText('REFERENCE', reference, maxCharacters)),
    ...answers.map((answer, index) => fenceText(String(index + 1), answer, maxCharacters)),
  ];
  return {
    template: 'rank-list/1',
    messages: [
      {
        role: 'system',
        content: `You rank ${answers.length} numbered answers to a question, the best first. ${input.criterion}
Where an answer stands in the list, and how long it is, means nothing.
${fenceRule}`,
      },
      { role: 'user', content: `${shown.join('\n')}\n${form}` },
    ],
    schema: {
      name: 'ranking',
      schema: {
        type: 'object',
        properties: { ranking: { type: 'array', items: { type: 'integer', minimum: 1, maximum: answers.length } } },
        required: ['ranking'],
        additionalProperties: false,
      },
    },
    form,
    parse: (text) => parseRanking(text, answers.length),
  };
}

/** Undefined unless every number from 1 to `count` is there exactly once. */
export function parseRanking(text: string, count: number): readonly number[] | undefined {
  const ranking = findJson(text)?.['ranking'];
  if (!Array.isArray(ranking) || ranking.length !== count || new Set(ranking).size !== count) return undefined;
  const indices: number[] = [];
  for (const number of ranking as readonly unknown[]) {
    if (typeof number !== 'number' || !Number.isInteger(number) || number < 1 || number > count) return undefined;
    indices.push(number - 1);
  }
  return indices;
}
