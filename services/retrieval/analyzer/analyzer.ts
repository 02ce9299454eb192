import { englishTerms } from './english.ts';
import { wordTokens } from './word-tokens.ts';

export const analyzerNames = ['standard', 'english'] as const;
export type AnalyzerName = (typeof analyzerNames)[number];

/** Text to index terms, in order, repeats kept. Queries and documents go through the same one. */
export type Analyzer = (text: string) => readonly string[];

export function createAnalyzer(name: AnalyzerName): Analyzer {
  switch (name) {
    case 'standard':
      return standardTerms;
    case 'english':
      return englishTerms;
  }
}

/** Lower-cased words; no stop words, no stemming, possessives kept whole ("halvard's" is one term). */
function standardTerms(text: string): readonly string[] {
  return wordTokens(text.toLowerCase());
}
