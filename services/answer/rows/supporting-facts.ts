import { countedScores, jointScores, supportKey, supportScores, type SupportScores } from '../support-scores.ts';

/** A title and the number of a sentence. */
export type Fact = readonly [string, number];
/** Subject, relation, object. */
export type Evidence = readonly [string, string, string];
/** A gold triple; subject and object may have other names (aliases and demonyms of their Wikidata ids). */
export type GoldEvidence = readonly [string | readonly string[], string, string | readonly string[]];

export interface FactRow {
  readonly predicted_supports?: readonly Fact[] | null | undefined;
  readonly supports?: readonly Fact[] | undefined;
  readonly predicted_evidences?: readonly Evidence[] | null | undefined;
  readonly evidences?: readonly GoldEvidence[] | undefined;
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

/** Lower case, without ASCII punctuation, white space collapsed; articles stay. */
function plainPart(part: string): string {
  return part.toLowerCase().replace(asciiPunctuation, '').trim().replace(/\s+/gu, ' ');
}

/**
 * 2Wiki's reasoning triples, as its script 1.1 counts them: a prediction is right when some gold triple has its relation and
 * any of whose names are its subject and object. Predictions are a set, gold triples are a list. One difference: two
 * predictions that name one gold triple differently count as two there, so recall may pass 1; here it ends at 1.
 */
export function twoWikiEvidences(row: FactRow): SupportScores | undefined {
  if (row.evidences === undefined) return undefined;
  const namesOf = (part: string | readonly string[]) =>
    new Set((typeof part === 'string' ? [part] : part).map(plainPart));
  const golds = row.evidences.map(([subject, relation, object]) => ({
    subjects: namesOf(subject),
    relation: plainPart(relation),
    objects: namesOf(object),
  }));
  const predicted = new Map(
    (row.predicted_evidences ?? []).map((triple) => {
      const [subject, relation, object] = triple;
      const plain = { subject: plainPart(subject), relation: plainPart(relation), object: plainPart(object) };
      return [JSON.stringify(Object.values(plain)), plain];
    }),
  );
  let right = 0;
  for (const { subject, relation, object } of predicted.values()) {
    const isGold = golds.some(
      (gold) => gold.relation === relation && gold.subjects.has(subject) && gold.objects.has(object),
    );
    if (isGold) right += 1;
  }
  return countedScores(right, predicted.size, golds.length);
}

/** What the published scripts call em, f1, prec and recall, by the names that metrics have everywhere. */
export function scoreColumns(
  scores: { readonly exactMatch: number; readonly f1: number } & Partial<SupportScores>,
  prefix = '',
) {
  const { exactMatch, f1, prec, recall } = scores;
  return {
    [`${prefix}exact_match`]: exactMatch,
    [`${prefix}f1`]: f1,
    ...(prec !== undefined && { [`${prefix}precision`]: prec }),
    ...(recall !== undefined && { [`${prefix}recall`]: recall }),
  };
}

/** Answer and facts together, as the scripts join them: all parts there are. */
export function jointColumns(parts: readonly SupportScores[]): Record<string, number> {
  return scoreColumns(jointScores(parts), 'joint_');
}
