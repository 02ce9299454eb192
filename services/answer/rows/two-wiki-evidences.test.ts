import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { twoWikiEvidences, type Evidence, type GoldEvidence } from './supporting-facts.ts';

const scores = (predicted: readonly Evidence[], gold: readonly GoldEvidence[]) =>
  twoWikiEvidences({ predicted_evidences: predicted, evidences: gold });

describe("2Wiki's reasoning triples", () => {
  const gold: readonly GoldEvidence[] = [
    [['Polish-Russian War', 'Wojna polsko-ruska'], 'director', ['Xawery Żuławski', 'Zulawski']],
    [['Xawery Żuławski', 'Zulawski'], 'mother', 'Małgorzata Braunek'],
  ];

  test('are right by any alias of subject and object', () => {
    const predicted: Evidence[] = [
      ['wojna  polskoruska.', 'Director', 'ZULAWSKI'],
      ['Xawery Żuławski', 'mother', 'Małgorzata Braunek'],
    ];
    expect(scores(predicted, gold)).toEqual({ exactMatch: 1, f1: 1, prec: 1, recall: 1 });
  });

  test('have no aliases of the relation, and subject and object keep their places', () => {
    expect(scores([['Zulawski', 'mum', 'Małgorzata Braunek']], gold)).toEqual({
      exactMatch: 0,
      f1: 0,
      prec: 0,
      recall: 0,
    });
    expect(scores([['Małgorzata Braunek', 'mother', 'Zulawski']], gold)).toMatchObject({ prec: 0, recall: 0 });
  });

  test('half of them, and one that is wrong, are a half each', () => {
    const predicted: Evidence[] = [
      ['Zulawski', 'mother', 'Małgorzata Braunek'],
      ['Zulawski', 'father', 'Andrzej'],
    ];
    expect(scores(predicted, gold)).toEqual({ exactMatch: 0, f1: 0.5, prec: 0.5, recall: 0.5 });
  });

  test('one gold triple named in two ways is not exact, and recall ends at 1', () => {
    const predicted: Evidence[] = [
      ['A', 'r', 'C'],
      ['B', 'r', 'C'],
    ];
    expect(scores(predicted, [[['A', 'B'], 'r', 'C']])).toEqual({ exactMatch: 0, f1: 1, prec: 1, recall: 1 });
  });

  test('gold triples are counted as often as they stand there, predictions once', () => {
    expect(
      scores(
        [['a', 'r', 'b']],
        [
          ['a', 'r', 'b'],
          ['A', 'r', 'B.'],
        ],
      ),
    ).toEqual({ exactMatch: 0, f1: 2 / 3, prec: 1, recall: 0.5 });
    expect(
      scores(
        [
          ['a', 'r', 'b'],
          ['A', 'r', 'b!'],
        ],
        [['a', 'r', 'b']],
      ),
    ).toEqual({ exactMatch: 1, f1: 1, prec: 1, recall: 1 });
  });

  test('without any on both sides it is exact with F1 0, as the script has it', () => {
    expect(scores([], [])).toEqual({ exactMatch: 1, f1: 0, prec: 0, recall: 0 });
    expect(twoWikiEvidences({})).toBeUndefined();
  });

  test('the aliases of a triple stand for every pair of a subject and an object', () => {
    const word = fc.constantFrom('a', 'b', 'c', 'd');
    const names = fc.uniqueArray(word, { minLength: 1, maxLength: 3 });
    const goldTriple = fc.tuple(names, fc.constantFrom('r', 's'), names);
    const triple = fc.tuple(word, fc.constantFrom('r', 's'), word);
    fc.assert(
      fc.property(fc.array(triple, { maxLength: 4 }), fc.array(goldTriple, { maxLength: 3 }), (predicted, golds) => {
        const written = golds.map(([subjects, relation, objects]) =>
          subjects.flatMap((subject) => objects.map((object) => [subject, relation, object].join(' '))),
        );
        const distinct = [...new Set(predicted.map((parts) => parts.join(' ')))];
        const right = distinct.filter((said) => written.some((all) => all.includes(said))).length;
        const got = scores(predicted, golds);
        expect(got?.prec).toBe(distinct.length === 0 ? 0 : right / distinct.length);
        expect(got?.recall).toBe(golds.length === 0 ? 0 : Math.min(1, right / golds.length));
        expect(got?.exactMatch).toBe(right === distinct.length && right === golds.length ? 1 : 0);
      }),
    );
  });
});
