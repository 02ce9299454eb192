import { expect, test } from 'vitest';
import { filtersOf } from './filter-words.ts';

const question = 'Which flight school did Rudi Dekkers, born in 1956, run in "Venice"?';

test.each([
  ['Rudi Dekkers flight school', [], 'Rudi Dekkers flight school'],
  ['Rudi Dekkers flight school 2001', ['2001'], 'Rudi Dekkers flight school'],
  ['Rudi Dekkers 1999-2002 school', ['1999-2002'], 'Rudi Dekkers school'],
  ['site:nytimes.com Rudi Dekkers after:2000', ['site:nytimes.com', 'after:2000'], 'Rudi Dekkers'],
  ['Rudi Dekkers "Huffman Aviation"', ['"Huffman Aviation"'], 'Rudi Dekkers'],
  ['Rudi Dekkers -wikipedia', ['-wikipedia'], 'Rudi Dekkers'],
  // What the question says is asked for.
  ['born 1956 "Venice" Dekkers', [], 'born 1956 "Venice" Dekkers'],
  ['flight 12 well-known', [], 'flight 12 well-known'],
  ['2001', ['2001'], ''],
])('of %j the filters are %j', (query, filters, bare) => {
  expect(filtersOf(query, question)).toEqual({ filters, bare });
});
