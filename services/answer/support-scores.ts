export interface SupportScores {
  readonly exactMatch: 0 | 1;
  readonly f1: number;
  readonly prec: number;
  readonly recall: number;
}

/**
 * Supporting facts as HotpotQA's script scores them: sets of keys, both sides without any is exact match 1 and F1 0. Keys must distinguish
 * facts apart by themselves; `supportKey` makes them of a title and a sentence.
 */
export function supportScores(predicted: Iterable<string>, gold: Iterable<string>): SupportScores {
  const [left, right] = [new Set(predicted), new Set(gold)];
  let common = 0;
  for (const key of left) if (right.has(key)) common += 1;
  return countedScores(common, left.size, right.size);
}

/** As MuSiQue's script: the same, but F1 is 1 when both sides are without any. */
export function musiqueSupportScores(predicted: Iterable<string>, gold: Iterable<string>): SupportScores {
  const scores = supportScores(predicted, gold);
  return scores.exactMatch === 1 ? { exactMatch: 1, f1: 1, prec: 1, recall: 1 } : scores;
}

export function supportKey(title: string, sentence: number): string {
  return JSON.stringify([title, sentence]);
}

/** What follows when answer, supports (and evidences) must hold together: products, and the F1 of the products. */
export function jointScores(parts: readonly SupportScores[]): SupportScores {
  const product = (value: (part: SupportScores) => number) => parts.reduce((so, part) => so * value(part), 1);
  const prec = product((part) => part.prec);
  const recall = product((part) => part.recall);
  return {
    exactMatch: parts.every(({ exactMatch }) => exactMatch === 1) ? 1 : 0,
    f1: harmonic(prec, recall),
    prec,
    recall,
  };
}

/** `right` of so many predictions, for so many that are gold; as many of each, all right, is exact match 1. Recall ends at 1. */
export function countedScores(right: number, predicted: number, gold: number): SupportScores {
  const prec = predicted === 0 ? 0 : right / predicted;
  const recall = gold === 0 ? 0 : Math.min(1, right / gold);
  return { exactMatch: right === predicted && right === gold ? 1 : 0, f1: harmonic(prec, recall), prec, recall };
}

function harmonic(prec: number, recall: number): number {
  return prec + recall > 0 ? (2 * prec * recall) / (prec + recall) : 0;
}
