import { expect, test } from 'vitest';
import { entityTypes, lexicon, typeOfName } from './lexicon.ts';
import { aliasSentence, relations } from './relations.ts';

const all = entityTypes.flatMap((type) => [...lexicon[type].first, ...lexicon[type].last]);

test('no word is in two slots, so that a word alone says its type and place', () => {
  expect(new Set(all.map((word) => word.toLowerCase())).size).toBe(all.length);
  expect(all).toHaveLength(960);
});

test('words are one capitalised ASCII word of 6 to 10 letters', () => {
  for (const word of all) expect(word).toMatch(/^[A-Z][a-z]{5,9}$/);
});

test('no word of a name is a word of the templates', () => {
  const sentences = entityTypes.flatMap((type) => relations[type].flatMap((r) => [r.sentence('S', 'O'), r.noun]));
  const templates = [...sentences, aliasSentence('S', 'O'), 'Who What is Name Find Tell me the of']
    .join(' ')
    .toLowerCase();
  const words = new Set(templates.match(/[a-z]+/g));
  expect(all.filter((word) => words.has(word.toLowerCase()))).toEqual([]);
});

test('the type of an entity is read from its name', () => {
  for (const type of entityTypes) expect(typeOfName(`${lexicon[type].first[0]} ${lexicon[type].last[0]}`)).toBe(type);
  expect(typeOfName('Johann Strauss')).toBeUndefined();
  expect(typeOfName('')).toBeUndefined();
});

test('a noun means one thing for one type', () => {
  for (const type of entityTypes) {
    const nouns = relations[type].map(({ noun }) => noun);
    expect(new Set(nouns).size).toBe(nouns.length);
  }
});
