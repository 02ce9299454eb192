import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildTimeoutMs, tinyEncoders } from '../../../tests/fixtures/tiny-encoders/tiny-encoders.ts';
import { openCrossEncoder, type CrossEncoder } from '../../../services/retrieval/models/cross-encoder.ts';
import { openEncoder, type Encoder } from '../../../services/retrieval/models/encoder.ts';
import { hubSettingsFrom } from '../../../services/retrieval/models/hub-settings.ts';
import { measureModels, measureWords, type WordSettings } from './measure-recall.ts';
import type { QuestionSet } from './question-set.ts';
import { recallTable, recallTableByGroup } from './recall-table.ts';

const long = 'A sentence about nothing much, with words enough. '.repeat(12);
const set: QuestionSet = {
  name: 'made up',
  corpus: [
    { id: 'moon', contents: `Moon\n${long}The moon circles the earth. ${long}` },
    { id: 'sun', contents: 'Sun\nThe earth circles the sun.' },
    { id: 'sea', contents: 'Sea\nSalt water.' },
  ],
  questions: [
    { question: 'What circles the earth?', group: '1hop', support: ['moon'] },
    { question: 'Is sea water salt, and what does the earth circle?', group: '2hop', support: ['sea', 'sun'] },
  ],
};
const words: WordSettings = { analyzer: 'english', k1: 1.2, b: 0.75, titleBoost: 1 };

describe('the ranking of questions by words', () => {
  test('is one of pages, whether pages are chunked or not', async () => {
    const measured = await measureWords(set, [words, { ...words, chunk: { words: 20, overlap: 5 } }]);
    expect(measured.map(({ setting }) => setting)).toEqual([
      'english, k1 1.2, b 0.75',
      'english, k1 1.2, b 0.75, chunks of 20 words, 5 shared',
    ]);
    for (const { rankings } of measured) {
      expect(rankings.map((ranking) => ranking.toSorted())).toEqual([
        ['moon', 'sun'],
        ['moon', 'sea', 'sun'],
      ]);
    }
  });

  test('becomes a table with a row a setting, and one with a row a group', async () => {
    const measured = [{ setting: 'by hand', rankings: [['moon'], ['sea', 'x', 'y', 'sun']] }];
    expect(recallTable(set, measured).split('\n')).toEqual([
      '| setting | R@2 | R@5 | R@10 | all@2 | all@5 | all@10 |',
      '| --- | --- | --- | --- | --- | --- | --- |',
      '| by hand | 75.0 | 100.0 | 100.0 | 50.0 | 100.0 | 100.0 |',
    ]);
    expect(recallTableByGroup(set, measured).split('\n').slice(2)).toEqual([
      '| by hand | 1hop | 1 | 100.0 | 100.0 | 100.0 | 100.0 | 100.0 | 100.0 |',
      '| by hand | 2hop | 1 | 50.0 | 100.0 | 100.0 | 0.0 | 100.0 | 100.0 |',
    ]);
  });
});

describe('the ranking of questions by models', () => {
  const hub = hubSettingsFrom({ HF_HUB_OFFLINE: '1' });
  let encoder: Encoder;
  let reranker: CrossEncoder;
  beforeAll(async () => {
    const tiny = await tinyEncoders();
    encoder = await openEncoder(tiny.encoder, { hub, threads: 1 });
    reranker = await openCrossEncoder(tiny.crossEncoder, { hub, threads: 1 });
  }, 2 * buildTimeoutMs);
  afterAll(async () => {
    await encoder.dispose();
    await reranker.dispose();
  });

  // The weights are random: that the rows are there and whole is all that they can show.
  test('gives dense, hybrid and reranked rows', async () => {
    const measured = await measureModels(set, words, { encoder, reranker, depth: 10, candidates: 2 });
    const by = `reranked by ${reranker.id}`;
    expect(measured.map(({ setting }) => setting)).toEqual([
      `dense, ${encoder.id}`,
      `hybrid, ${encoder.id}`,
      `lexical, ${by}`,
      `dense, ${encoder.id}, ${by}`,
      `hybrid, ${encoder.id}, ${by}`,
    ]);
    for (const [at, { rankings }] of measured.entries()) {
      expect(rankings).toHaveLength(2);
      for (const ranking of rankings) expect(ranking).toHaveLength(at < 2 ? 3 : 2);
    }
  });

  test('reranks what words find when there is no encoder', async () => {
    const measured = await measureModels(set, words, { reranker, depth: 10, candidates: 15 });
    expect(measured.map(({ setting }) => setting)).toEqual([`lexical, reranked by ${reranker.id}`]);
  });
});
