import type { Question } from '../question.ts';
import { fenceRule, fenceText } from './fence-text.ts';
import { findJson } from './find-json.ts';

export interface RubricCriterion {
  readonly name: string;
  readonly description: string;
}

export interface AnswerToRate {
  readonly question: string;
  readonly references: readonly string[];
  readonly answer: string;
  readonly criteria: readonly RubricCriterion[];
  readonly maxCharacters: number;
}

const instructions = `You rate an answer by criteria. For each criterion give a number from 0 (fails it entirely) to 1 (meets it entirely);
judge each by itself.
${fenceRule}`;

/** Every criterion's rating, 0..1. */
export function rateRubric(input: AnswerToRate): Question<Readonly<Record<string, number>>> {
  const { criteria, maxCharacters } = input;
  const names = criteria.map(({ name }) => name);
  const form = `Reply with one JSON object: {${names.map((name) => `"${name}": NUMBER`).join(', ')}}, each NUMBER from 0 to 1.`;
  const shown = [
    fenceText('QUESTION', input.question, maxCharacters),
    ...input.references.map((reference) => fenceText('REFERENCE', reference, maxCharacters)),
    fenceText('ANSWER', input.answer, maxCharacters),
    'Criteria:',
    ...criteria.map(({ name, description }) => `- ${name}: ${description}`),
  ];
  return {
    template: 'rate-rubric/1',
    messages: [
      { role: 'system', content: instructions },
      { role: 'user', content: `${shown.join('\n')}\n${form}` },
    ],
    schema: {
      name: 'ratings',
      schema: {
        type: 'object',
        properties: Object.fromEntries(names.map((name) => [name, { type: 'number', minimum: 0, maximum: 1 }])),
        required: names,
        additionalProperties: false,
      },
    },
    form,
    parse: (text) => parseRatings(text, names),
  };
}

/** Undefined unless every criterion has a number within 0..1: a rating of 7 is a misunderstanding, not a 1. */
export function parseRatings(text: string, names: readonly string[]): Readonly<Record<string, number>> | undefined {
  const json = findJson(text);
  if (json === undefined) return undefined;
  const ratings: Record<string, number> = {};
  for (const name of names) {
    const value = Object.hasOwn(json, name) ? json[name] : undefined;
    if (typeof value !== 'number' || !(value >= 0 && value <= 1)) return undefined;
    ratings[name] = value;
  }
  return ratings;
}
