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
