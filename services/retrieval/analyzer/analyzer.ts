import { wordTokens } from './word-tokens.ts';
import { stemmer } from 'stemmer';

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

/** Lucene's EnglishAnalyzer.ENGLISH_STOP_WORDS_SET. */
const stopWords: ReadonlySet<string> = new Set(
  (
    'a an and are as at be but by for if in into is it no not of on or such ' +
    'that the their then there these they this to was will with'
  ).split(' '),
);

const possessive = /['\u2019\uff07]s$/;

/** Possessive removed, lower-cased, stop words dropped, then Porter's stem: the order of Lucene's EnglishAnalyzer. */
export function englishTerms(text: string): readonly string[] {
  const terms: string[] = [];
  for (const word of wordTokens(text.toLowerCase())) {
    const bare = word.replace(possessive, '');
    if (bare !== '' && !stopWords.has(bare)) terms.push(stemmer(bare));
  }
  return terms;
}
