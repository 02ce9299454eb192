import { createAnalyzer } from '../analyzer/analyzer.ts';
import type { Document } from '../corpus/parse-document.ts';

export interface FormulaSettings {
  readonly k1: number;
  readonly b: number;
  readonly titleBoost: number;
}

/** BM25 by its formula, document by document: what the index's answers are tested against. Best first. */
export function rankByFormula(
  documents: readonly Document[],
  query: string,
  { k1, b, titleBoost }: FormulaSettings,
): { readonly passage: number; readonly score: number }[] {
  const analyzer = createAnalyzer('standard');
  const all = documents.map(({ title, text }) => [
    ...analyzer(`${title}\n${text}`),
    ...Array.from({ length: titleBoost - 1 }, () => analyzer(title)).flat(),
  ]);
  const mean = all.reduce((sum, words) => sum + words.length, 0) / all.length;
  const scored = all.map((words, passage) => {
    let score = 0;
    for (const term of analyzer(query)) {
      const tf = words.filter((word) => word === term).length;
      const df = all.filter((other) => other.includes(term)).length;
      const idf = Math.log(1 + (all.length - df + 0.5) / (df + 0.5));
      if (tf > 0) score += (idf * tf) / (tf + k1 * (1 - b + (b * words.length) / mean));
    }
    return { passage, score };
  });
  return scored.filter(({ score }) => score > 0).sort((one, other) => other.score - one.score);
}

/** `k1 * (1 - b + b * |d| / mean |d|)` of every passage: what its length adds below the fraction of BM25. */
export function passagePenalties(
  lengths: Uint32Array,
  words: number,
  { k1, b }: { readonly k1: number; readonly b: number },
  into: Float64Array = new Float64Array(lengths.length),
): Float64Array {
  // A corpus without a word has no postings, so its NaN is never read.
  const mean = words / lengths.length;
  for (let passage = 0; passage < lengths.length; passage += 1) {
    into[passage] = k1 * (1 - b + (b * (lengths[passage] ?? 0)) / mean);
  }
  return into;
}
