import { expect, test } from 'vitest';
import { decideSearch, type SearchAbilities } from './decide-search.ts';

const all: SearchAbilities = {
  defaultMode: 'hybrid',
  defaultRerank: true,
  denseMissing: undefined,
  rerankMissing: undefined,
  rerankFrom: 15,
  rerankTo: 10,
};

test('a request that leaves all open is served as the service is set up', () => {
  expect(decideSearch({ topK: 50 }, all)).toEqual({
    mode: 'hybrid',
    rerank: true,
    topK: 10,
    candidates: 15,
    withText: false,
  });
});

test('what a request asks for goes before the defaults; without reranking all hits asked for are given', () => {
  const plan = decideSearch({ topK: 50, mode: 'lexical', rerank: false, withText: true }, all);
  expect(plan).toMatchObject({ mode: 'lexical', rerank: false, topK: 50, withText: true });
  expect(decideSearch({ topK: 3 }, all).topK).toBe(3);
});

test('asking for what is missing is refused with the reason', () => {
  const none = {
    ...all,
    defaultMode: 'lexical',
    defaultRerank: false,
    denseMissing: 'no weights',
    rerankMissing: 'none',
  } as const;
  expect(decideSearch({ topK: 1 }, none)).toMatchObject({ mode: 'lexical', rerank: false });
  expect(() => decideSearch({ topK: 1, mode: 'dense' }, none)).toThrow('mode: dense cannot be served: no weights');
  expect(() => decideSearch({ topK: 1, rerank: true }, none)).toThrow('rerank: cannot be served: none');
});
