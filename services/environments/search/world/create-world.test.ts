import { describe, expect, test } from 'vitest';
import { musiqueRowSchema, type MuSiqueRow } from '#questions/musique/musique-row.ts';
import { createWorld } from './create-world.ts';
import { hopQuota } from './questions.ts';

const options = { seed: 7, trainEntities: 900, heldOutEntities: 300 };
const world = createWorld(options);
const train = world.questions('train', 1000);
const heldOut = world.questions('held_out', 300);
const pageOf = new Map(world.pages.map((page) => [page.title, page]));

const namesIn = (text: string): string[] => text.match(/[A-Z][a-z]{5,9} [A-Z][a-z]{5,9}/g) ?? [];

describe('a world', () => {
  test('P8: is the same for the same seed, and another for another', () => {
    const again = createWorld(options);
    expect(again.pages).toEqual(world.pages);
    expect(again.questions('held_out', 300)).toEqual(heldOut);
    expect(createWorld({ ...options, seed: 8 }).pages).not.toEqual(world.pages);
  });

  test('has one page of 200 to 350 characters per entity, with a four-digit id', () => {
    expect(world.pages).toHaveLength(1200);
    expect(new Set(world.pages.map(({ id }) => id)).size).toBe(1200);
    expect(pageOf.size).toBe(1200);
    for (const { id, text } of world.pages) {
      expect(id).toMatch(/^\d{4}$/);
      expect(text.length).toBeGreaterThan(200);
      expect(text.length).toBeLessThan(350);
    }
  });

  test('never gives a name twice, aliases included', () => {
    const aliases = world.pages.flatMap(({ text }) =>
      [...text.matchAll(/is also called ([A-Za-z]+ [A-Za-z]+)\./g)].map(([, alias]) => alias),
    );
    expect(aliases.length).toBeGreaterThan(60);
    expect(new Set([...aliases, ...pageOf.keys()]).size).toBe(aliases.length + 1200);
  });

  test('names no entity twice in the facts of one page', () => {
    for (const { title, text } of world.pages) {
      const others = namesIn(text).filter((name) => name !== title);
      expect(new Set(others).size).toBe(others.length);
    }
  });

  test('keeps train and held-out apart: no entity of one is named on a page of the other', () => {
    const reach = (rows: readonly MuSiqueRow[]): Set<string> =>
      new Set(rows.flatMap((row) => row.paragraphs.flatMap(({ paragraph_text: text }) => namesIn(text))));
    const trainNames = reach(train);
    const shared = [...reach(heldOut)].filter((name) => trainNames.has(name));
    expect(shared).toEqual([]);
    const facts = new Set(train.flatMap((row) => row.question_decomposition.map(({ id }) => id)));
    expect(heldOut.flatMap((row) => row.question_decomposition).filter(({ id }) => facts.has(id))).toEqual([]);
  });

  test('says a country to be where its capital lies', () => {
    for (const { text } of world.pages) {
      const [, country, capital] = /The capital of (\w+ \w+) is (\w+ \w+)\./.exec(text) ?? [];
      if (country === undefined) continue;
      expect(pageOf.get(capital ?? '')?.text).toContain(`lies in ${country}.`);
    }
  });

  test('has searchable names: by BM25 the page of an entity is among the first two for its exact name', () => {
    const search = bm25(world.pages.map(({ title, text }) => `${title}\n${text}`));
    const ranks = world.pages.map(({ title }, index) => search(title).slice(0, 2).indexOf(index));
    expect(ranks.filter((rank) => rank < 0)).toEqual([]);
  });

  test('refuses sizes that it cannot hold', () => {
    expect(() => createWorld({ seed: 1, trainEntities: 9000, heldOutEntities: 2000 })).toThrow(/at most 10000/);
    expect(() => createWorld({ seed: 1, trainEntities: 3, heldOutEntities: 300 })).toThrow(/trainEntities/);
    expect(() => createWorld({ seed: -1, trainEntities: 300, heldOutEntities: 300 })).toThrow(/seed/);
    expect(() => createWorld({ seed: 1, trainEntities: 60, heldOutEntities: 60 }).questions('train', 5000)).toThrow(
      /too few chains for 5000 questions: ask for fewer/,
    );
  });

  test('can be as large as four digits allow, and as small as 60 entities', () => {
    expect(createWorld({ seed: 1, trainEntities: 9000, heldOutEntities: 1000 }).pages).toHaveLength(10_000);
    for (let seed = 0; seed < 20; seed++) {
      expect(createWorld({ seed, trainEntities: 60, heldOutEntities: 61 }).questions('train', 50)).toHaveLength(50);
    }
  });
});

describe('questions', () => {
  test('are rows of the official schema with 6 to 10 paragraphs', () => {
    for (const row of [...train, ...heldOut]) {
      expect(musiqueRowSchema.parse(row)).toEqual(row);
      expect(row.paragraphs.length).toBeGreaterThanOrEqual(6);
      expect(row.paragraphs.length).toBeLessThanOrEqual(10);
      expect(row.paragraphs.filter((p) => p.is_supporting)).toHaveLength(row.question_decomposition.length);
    }
  });

  test('are distinct', () => {
    expect(new Set(train.map(({ id }) => id)).size).toBe(train.length);
    expect(new Set(train.map(({ question }) => question)).size).toBe(train.length);
  });

  test('have 2, 3 and 4 hops at 67.8 / 20.8 / 11.4 %', () => {
    expect([...hopQuota(1000)]).toEqual([
      [2, 678],
      [3, 208],
      [4, 114],
    ]);
    expect([...hopQuota(1)]).toEqual([
      [2, 1],
      [3, 0],
      [4, 0],
    ]);
    for (const count of [7, 99, 2000]) expect([...hopQuota(count).values()].reduce((a, b) => a + b)).toBe(count);
    for (const [hops, prefix] of [
      [2, '2hop__'],
      [3, '3hop1__'],
      [4, '4hop1__'],
    ] as const) {
      const rows = train.filter(({ id }) => id.startsWith(prefix));
      expect(rows.length).toBe(hopQuota(1000).get(hops));
      for (const row of rows) expect(row.question_decomposition).toHaveLength(hops);
    }
  });

  test('are answered by following the chain, each hop on the page of the entity that it asks about', () => {
    for (const row of train) {
      let subject = row.question_decomposition[0]?.question.split(' >> ')[0] ?? '';
      expect(row.question).toContain(subject);
      for (const step of row.question_decomposition) {
        const support = row.paragraphs[step.paragraph_support_idx];
        expect(support?.title).toBe(subject);
        expect(support?.paragraph_text).toBe(pageOf.get(subject)?.text);
        expect(support?.paragraph_text).toContain(step.answer);
        subject = step.answer;
      }
      expect(row.answer).toBe(subject);
    }
  });

  test('have an answer that no page before the last one of the chain names', () => {
    for (const row of train) {
      const supports = row.question_decomposition.map(
        (step) => row.paragraphs[step.paragraph_support_idx]?.paragraph_text ?? '',
      );
      for (const text of supports.slice(0, -1)) expect(text).not.toContain(row.answer);
    }
  });

  test('have as aliases the other name that the page of the answer states', () => {
    const withAlias = train.filter((row) => row.answer_aliases.length > 0);
    expect(withAlias.length).toBeGreaterThan(50);
    for (const row of withAlias) {
      expect(pageOf.get(row.answer)?.text).toContain(`${row.answer} is also called ${row.answer_aliases[0]}.`);
    }
  });
});

/** BM25 as Lucene has it (k1 1.2, b 0.75), over lower-cased words; gives document indexes, best first. */
function bm25(documents: readonly string[]): (query: string) => number[] {
  const bags = documents.map((text) => {
    const counts = new Map<string, number>();
    for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1);
    return { counts, length: [...counts.values()].reduce((a, b) => a + b, 0) };
  });
  const mean = bags.reduce((sum, { length }) => sum + length, 0) / bags.length;
  return (query) => {
    const scores = bags.map(() => 0);
    for (const word of query.toLowerCase().split(' ')) {
      const holders = bags.filter(({ counts }) => counts.has(word)).length;
      const idf = Math.log(1 + (bags.length - holders + 0.5) / (holders + 0.5));
      bags.forEach(({ counts, length }, index) => {
        const tf = counts.get(word) ?? 0;
        scores[index] = (scores[index] ?? 0) + (idf * tf) / (tf + 1.2 * (0.25 + (0.75 * length) / mean));
      });
    }
    return scores
      .map((score, index) => ({ score, index }))
      .sort((a, b) => b.score - a.score)
      .map(({ index }) => index);
  };
}
