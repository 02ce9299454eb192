import { normalizeAnswer } from './normalize-answer.ts';

export interface SetScores {
  readonly exactMatch: 0 | 1;
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

export interface SetComparison {
  /** Normalised names of the prediction that are gold, one for each gold element that was met. */
  readonly met: readonly string[];
  /** Those that are not. */
  readonly extra: readonly string[];
  /** First names of gold elements that were not met. */
  readonly missing: readonly string[];
}

/**
 * F1 of two sets of names. Names are equal when they normalise to the same; a gold element may have aliases, one of which is
 * enough. Elements that normalise to nothing are dropped, repeats count once, and both sides empty is 0.
 */
export function setScores(predicted: readonly string[], gold: readonly (readonly string[])[]): SetScores {
  return scoresOf(compareSets(predicted, gold));
}

export function scoresOf({ met, extra, missing }: SetComparison): SetScores {
  if (met.length === 0) return { exactMatch: 0, f1: 0, prec: 0, recall: 0 };
  const prec = met.length / (met.length + extra.length);
  const recall = met.length / (met.length + missing.length);
  return {
    exactMatch: extra.length === 0 && missing.length === 0 ? 1 : 0,
    f1: (2 * prec * recall) / (prec + recall),
    prec,
    recall,
  };
}

export function compareSets(predicted: readonly string[], gold: readonly (readonly string[])[]): SetComparison {
  const left = new Set(predicted.map(normalizeAnswer));
  left.delete('');
  const elementOf = new Map<string, number>();
  const elements: string[] = [];
  for (const aliases of gold) {
    const names = aliases.map(normalizeAnswer).filter((name) => name !== '');
    // A name that an earlier element has already is the same element said twice.
    const [first] = names;
    if (first === undefined || names.some((name) => elementOf.has(name))) continue;
    for (const name of names) elementOf.set(name, elements.length);
    elements.push(first);
  }
  const met = new Map<number, string>();
  const extra: string[] = [];
  for (const name of left) {
    const element = elementOf.get(name);
    if (element === undefined) extra.push(name);
    else if (!met.has(element)) met.set(element, name);
  }
  return { met: [...met.values()], extra, missing: elements.filter((_, element) => !met.has(element)) };
}
