import type { MuSiqueRow } from '#questions/musique/musique-row.ts';
import { typeOfName } from '../world/lexicon.ts';

/** One fact to find: the page to look for, and what it says. */
export interface Hop {
  readonly pageTitle: string;
  readonly answer: string;
  /** What to search for. */
  readonly query: string;
}

/** title: the page's name, known from a tool. question: only words that the question or an earlier answer has said. */
export const queryNames = ['title', 'question'] as const;
export type QueryStyle = (typeof queryNames)[number];

/** A question as somebody sees it who knows the way. */
export interface Plan {
  readonly question: string;
  readonly hops: readonly Hop[];
  readonly answer: string;
}

/** undefined for a row whose supporting paragraphs are not all named. */
export function planOf(row: MuSiqueRow, style: QueryStyle = 'title'): Plan | undefined {
  const titles = new Map(row.paragraphs.map(({ idx, title }) => [idx, title]));
  const hops: Hop[] = [];
  for (const { question, answer, paragraph_support_idx: support } of row.question_decomposition) {
    const pageTitle = support === null ? undefined : titles.get(support);
    if (pageTitle === undefined) return undefined;
    const answers = hops.map((hop) => hop.answer);
    const query = style === 'title' ? pageTitle : saidWords(question, row.question, answers);
    if (query === '') return undefined;
    hops.push({ pageTitle, answer, query });
  }
  return { question: row.question, hops, answer: row.answer };
}

// Words that find nothing; a short list, for the search engine weighs the rest.
const fillers = new Set(
  'a an and are as at be by did do does for from has have he her his how in is it its of on or she that the their they this to was were what when where which who whom whose why with'.split(
    ' ',
  ),
);

const wordsOf = (text: string): string[] => text.match(/[\p{L}\p{M}\p{N}]+(?:[.'’-][\p{L}\p{M}\p{N}]+)*/gu) ?? [];

/**
 * The words of a hop's own question, `#1` being the first answer, that can be copied from what has been read: written as
 * they are there, without the fillers around them. Fillers between two such words stay, for names hold them too.
 */
function saidWords(hopQuestion: string, question: string, answers: readonly string[]): string {
  const said = new Map(wordsOf([question, ...answers].join(' ')).map((word) => [word.toLowerCase(), word]));
  const filled = hopQuestion.replaceAll(/#(\d)/g, (mark, number: string) => answers[Number(number) - 1] ?? mark);
  const words = wordsOf(filled).flatMap((word) => said.get(word.toLowerCase()) ?? []);
  const isTelling = (word: string): boolean => !fillers.has(word.toLowerCase());
  return words.slice(Math.max(0, words.findIndex(isTelling)), words.findLastIndex(isTelling) + 1).join(' ');
}

/** Answers of other questions, by the type of entity in worlds: what somebody may guess. */
export function guessesOf(plans: readonly Plan[]): (answer: string) => readonly string[] {
  const byType = new Map<string, Set<string>>();
  for (const { answer } of plans) {
    const type = typeOfName(answer) ?? '';
    byType.set(type, (byType.get(type) ?? new Set<string>()).add(answer));
  }
  const lists = new Map([...byType].map(([type, answers]) => [type, [...answers]]));
  return (answer) => lists.get(typeOfName(answer) ?? '') ?? [answer];
}
