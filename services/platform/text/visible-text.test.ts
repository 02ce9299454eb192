import fc from 'fast-check';
import { expect, test } from 'vitest';
import { visibleLine, visibleText } from './visible-text.ts';

test.each([
  ['\u001b]52;c;cm0gLXJm\u0007', String.raw`\u001b]52;c;cm0gLXJm\u0007`],
  ['\u009b31m', String.raw`\u009b31m`],
  ['a\r+ forged', String.raw`a\r+ forged`],
  ['\u202egnp.exe', String.raw`\u202egnp.exe`],
  ['a\u2066b\u2069', String.raw`a\u2066b\u2069`],
  ['a\u200bb\ufeff', String.raw`a\u200bb\ufeff`],
  ['a\u2028b', String.raw`a\u2028b`],
  ['a\u{e0067}', String.raw`a\udb40\udc67`],
  ['\b\f\v\0\u007f', String.raw`\u0008\u000c\u000b\u0000\u007f`],
])('%j is shown as %s', (text, shown) => {
  expect(visibleText(text)).toBe(shown);
});

test('text of any language, tabs, line ends and joined emoji stay as they are', () => {
  const text = 'naïve 東京 שלום สวัสดี नमस्ते 👩‍👩‍👧 می‌خواهم\tx\ny';
  expect(visibleText(text)).toBe(text);
  expect(visibleLine('a\nb')).toBe(String.raw`a\nb`);
});

test('JSON stays the same JSON', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
      const json = JSON.stringify([value, text, `\\${text}`, '\u009b\u202e\u{e0041}']);
      expect(JSON.parse(visibleText(json))).toEqual(JSON.parse(json));
    }),
  );
});
