import type { MuSiqueRow } from '#shared/musique/musique-row.ts';
import { typeOfName } from '#shared/world/lexicon.ts';

/** One fact to find: the page to look for, and what it says. */
export interface Hop {
  readonly pageTitle: string;
  readonly answer: string;
}

/** A question as somebody sees it who knows the way. */
export interface Plan {
  readonly question: string;
  readonly hops: readonly Hop[];
  readonly answer: string;
}

/** undefined for a row whose supporting paragraphs are not all named. */
export function planOf(row: MuSiqueRow): Plan | undefined {
  const titles = new Map(row.paragraphs.map(({ idx, title }) => [idx, title]));
  const hops: Hop[] = [];
  for (const { answer, paragraph_support_idx: support } of row.question_decomposition) {
    const pageTitle = support === null ? undefined : titles.get(support);
    if (pageTitle === undefined) return undefined;
    hops.push({ pageTitle, answer });
  }
  return { question: row.question, hops, answer: row.answer };
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
