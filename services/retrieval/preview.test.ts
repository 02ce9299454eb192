import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { previewOf } from './preview.ts';

describe('a preview', () => {
  test('is the whole text when that is short, with white space as one space', () => {
    expect(previewOf('Paris', '  Paris is\n\tthe capital. ')).toBe('Paris is the capital.');
  });

  test('ends at a sentence when one ends near the limit', () => {
    const first = `${'word '.repeat(22)}end.`;
    expect(previewOf('', `${first} ${'more '.repeat(40)}`)).toBe(first);
  });

  test('ends at a word when the sentence is longer than the limit', () => {
    const preview = previewOf('', 'Short one. ' + 'lengthy '.repeat(60));
    expect(preview.length).toBeLessThanOrEqual(150);
    expect(preview.length).toBeGreaterThan(140);
    expect(preview.endsWith('lengthy')).toBe(true);
  });

  test('takes a sentence that ends exactly at the limit', () => {
    const sentence = `${'x'.repeat(149)}.`;
    expect(previewOf('', `${sentence} Next sentence.`)).toBe(sentence);
  });

  test('cuts a text without spaces at the limit, between characters', () => {
    expect(previewOf('', '東'.repeat(400))).toBe('東'.repeat(150));
    const faces = previewOf('', `x${'😀'.repeat(200)}`);
    expect(faces).toBe(`x${'😀'.repeat(74)}`);
  });

  test('sees past a long run of white space', () => {
    expect(previewOf('', `one${' '.repeat(5_000)}two`)).toBe('one two');
  });

  test('does not repeat the title, unless there is nothing else', () => {
    expect(previewOf('Paris', 'Paris\nIt lies on the Seine.')).toBe('It lies on the Seine.');
    expect(previewOf('Paris', 'Paris is a city.\nMore.')).toBe('Paris is a city. More.');
    expect(previewOf('Paris', 'Paris\n ')).toBe('Paris');
  });

  test('is never empty unless the text is, never longer than the limit, and a part of the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), fc.string({ maxLength: 5 }), (text, title) => {
        const preview = previewOf(title, text);
        expect(preview.length).toBeLessThanOrEqual(150);
        expect(preview === '').toBe(text.trim() === '');
        expect(preview.isWellFormed()).toBe(true);
        expect(text.replace(/\s+/gu, ' ')).toContain(preview);
      }),
    );
  });
});
