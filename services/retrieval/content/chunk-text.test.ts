import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wordTokens } from '../analyzer/word-tokens.ts';
import { chunkText } from './chunk-text.ts';

const piecesOf = (text: string, words: number, overlap: number): string[] =>
  chunkText(text, { words, overlap }).map(({ start, end }) => text.slice(start, end));

describe('chunks of a page', () => {
  test('are the whole text when that is short enough, also when it is empty or blank', () => {
    expect(piecesOf(' One two three. ', 3, 1)).toEqual([' One two three. ']);
    expect(piecesOf('', 10, 5)).toEqual(['']);
    expect(piecesOf(' \n ', 10, 5)).toEqual([' \n ']);
  });

  test('end at a sentence end in their last quarter, and the next one begins there when it lies in the overlap', () => {
    const text = 'One two three four five six seven. Eight nine ten eleven twelve thirteen fourteen fifteen.';
    expect(piecesOf(text, 8, 2)).toEqual([
      'One two three four five six seven. ',
      'Eight nine ten eleven twelve thirteen fourteen fifteen.',
    ]);
  });

  test('are full and overlap by words where no sentence ends', () => {
    expect(piecesOf('a b c d e f g h i j k l', 8, 4)).toEqual(['a b c d e f g h ', 'e f g h i j k l']);
  });

  test('part scripts without spaces as well', () => {
    expect(piecesOf('東京都'.repeat(10), 12, 0).map((piece) => piece.length)).toEqual([12, 12, 6]);
  });

  test('cover the text, hold no more words than allowed, overlap by no more than allowed, and part no word', () => {
    const word = fc.constantFrom('a', 'word', 'two.', 'end!', '東', "it's", '—', '\n', '1,000.5', '😀');
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 200 }).map((list) => list.join(' ')),
        fc.integer({ min: 10, max: 40 }),
        fc.nat({ max: 100 }),
        (text, words, share) => {
          const overlap = Math.floor((words * share) / 200);
          const chunks = chunkText(text, { words, overlap });
          expect(chunks[0]?.start).toBe(0);
          expect(chunks.at(-1)?.end).toBe(text.length);
          chunks.forEach(({ start, end }, at) => {
            const held = wordTokens(text.slice(start, end));
            expect(held.length).toBeLessThanOrEqual(words);
            const previous = chunks[at - 1];
            if (previous === undefined) return;
            expect(start).toBeGreaterThan(previous.start);
            expect(start).toBeLessThanOrEqual(previous.end);
            expect(wordTokens(text.slice(start, previous.end)).length).toBeLessThanOrEqual(overlap);
          });
          const joined = chunks.map(({ start }, at) => text.slice(start, chunks[at + 1]?.start)).join('');
          expect(joined).toBe(text);
        },
      ),
    );
  });
});
