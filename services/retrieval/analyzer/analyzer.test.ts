import { describe, expect, test } from 'vitest';
import { createAnalyzer } from './analyzer.ts';

describe('the standard analyzer', () => {
  const terms = createAnalyzer('standard');

  test.each([
    ["Halvard's U.S. Embassy", ["halvard's", 'u.s', 'embassy']],
    ['person-centered, foo_bar', ['person', 'centered', 'foo_bar']],
    ['1,000.5 and 3rd and a.1', ['1,000.5', 'and', '3rd', 'and', 'a', '1']],
    ['O’Neill “quoted” naïve ÉTAT', ['o’neill', 'quoted', 'naïve', 'état']],
    ['東京 カタカナ ひら サーバー', ['東', '京', 'カタカナ', 'ひ', 'ら', 'サーバー']],
    ['cafe\u0301 Привет שלום สวัสดี', ['cafe\u0301', 'привет', 'שלום', 'สวัสดี']],
    ['  \u0000\u0007 -- ... 🎉 ___', []],
    ['', []],
  ])('splits %j as Lucene does', (text, expected) => {
    expect(terms(text)).toEqual(expected);
  });

  test('agrees with the Unicode word segmenter on Latin text', () => {
    const text =
      "The 2018 Impact Factor is 1.355; Bernhard Riemann's e.g. U.S.A. (re)written, 12:30 p.m. -- rock'n'roll! A_b 7,5%";
    const segments = new Intl.Segmenter('en', { granularity: 'word' }).segment(text.toLowerCase());
    expect(terms(text)).toEqual([...segments].filter((one) => one.isWordLike).map((one) => one.segment));
  });

  test('cuts a run longer than 255 characters', () => {
    expect(terms('x'.repeat(600)).map((term) => term.length)).toEqual([255, 255, 90]);
  });

  test.each([
    ['letters', 'a', 30_000_000],
    ['digits', '7', 30_000_000],
    ['letters with a joiner', "ab'", 6_000_000],
    ['letters and digits', 'a1', 6_000_000],
    ['katakana', 'カ', 6_000_000],
    ['marks', 'e\u0301', 6_000_000],
    ['underscores', '_', 6_000_000],
  ])('cuts a run of %s without a break in a page of many megabytes', (_what, unit, length) => {
    const found = terms(unit.repeat(length / unit.length));
    expect(found.every((term) => term.length <= 255)).toBe(true);
    if (unit === 'a') {
      expect(found.length).toBe(Math.ceil(length / 255));
      expect(found.at(-1)).toHaveLength(length % 255);
    }
  });

  test('finds the same words wherever the text is divided for the matcher', () => {
    // Longer than what is matched at once, with a word, a joiner and a pair at every place of its borders.
    const sentence = "Halvard's U.S. 1,000.5 foo_bar ___x 東京 カタカナ naïve 𝒜𝒷𝒸 a'b 🎉 ";
    for (let shift = 0; shift < sentence.length; shift += 1) {
      const text = `${'. '.repeat(65_000 - shift)}${' '.repeat(shift)}${sentence.repeat(80)}`;
      expect(terms(text).join(' ')).toBe(Array.from({ length: 80 }, () => terms(sentence).join(' ')).join(' '));
    }
  });

  test('stays linear on a hundred thousand underscores or joiners', () => {
    expect(terms('_'.repeat(100_000))).toEqual([]);
    expect(terms("a'".repeat(50_000)).length).toBeGreaterThan(0);
  });
});

describe('the english analyzer', () => {
  const terms = createAnalyzer('english');

  test('drops possessives and stop words and stems the rest', () => {
    expect(terms("Halvard's running of the Universities is relational")).toEqual([
      'halvard',
      'run',
      'univers',
      'relat',
    ]);
    expect(terms('the poet’s ponies')).toEqual(['poet', 'poni']);
  });

  // Examples from Porter's paper (Program 14, 1980), one or more a step.
  test.each([
    ['caresses', 'caress'],
    ['ties', 'ti'],
    ['agreed', 'agre'],
    ['motoring', 'motor'],
    ['hopping', 'hop'],
    ['filing', 'file'],
    ['happy', 'happi'],
    ['vietnamization', 'vietnam'],
    ['electrical', 'electr'],
    ['adjustment', 'adjust'],
    ['controlling', 'control'],
    ['oscillators', 'oscil'],
  ])('stems %s to %s', (word, stem) => {
    expect(terms(word)).toEqual([stem]);
  });
});
