import { jointScores, supportKey, supportScores, type SupportScores } from '../support-scores.ts';

/** A title and the number of a sentence. */
export type Fact = readonly [string, number];
/** Subject, relation, object. */
export type Evidence = readonly [string, string, string];

export interface FactRow {
  readonly predicted_supports?: readonly Fact[] | null | undefined;
  readonly supports?: readonly Fact[] | undefined;
  readonly predicted_evidences?: readonly Evidence[] | null | undefined;
  readonly evidences?: readonly Evidence[] | undefined;
}

/** HotpotQA compares titles as they are. */
export function hotpotqaFacts(row: FactRow): SupportScores | undefined {
  if (row.supports === undefined) return undefined;
  const keys = (facts: readonly Fact[]) => facts.map(([title, sentence]) => supportKey(title, sentence));
  return supportScores(keys(row.predicted_supports ?? []), keys(row.supports));
}

/** 2Wiki compares titles in lower case. */
export function twoWikiFacts(row: FactRow): SupportScores | undefined {
  if (row.supports === undefined) return undefined;
  const keys = (facts: readonly Fact[]) => facts.map(([title, sentence]) => supportKey(title.toLowerCase(), sentence));
  return supportScores(keys(row.predicted_supports ?? []), keys(row.supports));
}

const asciiPunctuation = /[!-/:-@[-`{-~]/gu;

/** 2Wiki's reasoning triples: lower case, without ASCII punctuation, white space collapsed; articles stay. */
export function twoWikiEvidences(row: FactRow): SupportScores | undefined {
  if (row.evidences === undefined) return undefined;
  const plain = (part: string) => part.toLowerCase().replace(asciiPunctuation, '').trim().replace(/\s+/gu, ' ');
  const keys = (triples: readonly Evidence[]) => triples.map((triple) => JSON.stringify(triple.map(plain)));
  return supportScores(keys(row.predicted_evidences ?? []), keys(row.evidences));
}

/** Columns `PREFIX_em`, `PREFIX_f1`, `PREFIX_prec`, `PREFIX_recall`. */
export function factColumns(prefix: string, scores: SupportScores): Record<string, number> {
  const { em, f1, prec, recall } = scores;
  return { [`${prefix}_em`]: em, [`${prefix}_f1`]: f1, [`${prefix}_prec`]: prec, [`${prefix}_recall`]: recall };
}

/** Answer and facts together, as the scripts join them: all parts there are. */
export function jointColumns(parts: readonly SupportScores[]): Record<string, number> {
  return factColumns('joint', jointScores(parts));
}
