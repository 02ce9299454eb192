import { normalizeAnswer } from './normalize-answer.ts';

export interface SetScores {
  readonly em: 0 | 1;
  readonly f1: number;
  readonly prec: number;
  readonly recall: number;
}

/** Elements of a prediction: split at line breaks and at the separator, list marks in front dropped. */
export function splitElements(text: string, separator: string): string[] {
  return text
    .split('\n')
    .flatMap((line) => line.split(separator))
    .map((element) => element.trim().replace(/^(?:[-*•]|\d{1,3}[.)])\s+/u, ''))
    .filter((element) => element !== '');
}

/**
 * F1 of two sets of names. Names are equal when they normalise to the same; a gold element may have aliases, one of which is
 * enough. Elements that normalise to nothing are dropped, repeats count once, and both sides empty is 0.
 */
export function setScores(predicted: readonly string[], gold: readonly (readonly string[])[]): SetScores {
  const left = new Set(predicted.map(normalizeAnswer));
  left.delete('');
  const elementOf = new Map<string, number>();
  let elements = 0;
  for (const aliases of gold) {
    const names = aliases.map(normalizeAnswer).filter((name) => name !== '');
    // A name that an earlier element has already is the same element said twice.
    if (names.length === 0 || names.some((name) => elementOf.has(name))) continue;
    for (const name of names) elementOf.set(name, elements);
    elements += 1;
  }
  const met = new Set<number>();
  let strangers = 0;
  for (const name of left) {
    const element = elementOf.get(name);
    if (element === undefined) strangers += 1;
    else met.add(element);
  }
  const said = met.size + strangers;
  if (met.size === 0) return { em: 0, f1: 0, prec: 0, recall: 0 };
  const prec = met.size / said;
  const recall = met.size / elements;
  return {
    em: strangers === 0 && met.size === elements ? 1 : 0,
    f1: (2 * prec * recall) / (prec + recall),
    prec,
    recall,
  };
}
