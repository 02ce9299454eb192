import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAllMusique } from '#questions/musique/read-musique.ts';
import { buildIndex } from '../index/build-index.ts';
import { createIndexReader } from '../index/index-reader.ts';
import { closeIndex, openIndex } from '../index/open-index.ts';
import { connectDatabase } from './connect-database.ts';
import { openLancedbIndex } from './lancedb-index.ts';
import { publishIndex } from './publish-index.ts';

const musique = join(import.meta.dirname, '../../../data/musique');

describe('LanceDB over the words of our analyzers', () => {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'gradus-lancedb-ranking-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  test.each(['standard', 'english'] as const)(
    'ranks 299 questions as our own index does, but for equal scores at the last place (%s)',
    async (analyzer) => {
      const directory = join(root, analyzer);
      const uri = join(root, `${analyzer}-database`);
      await buildIndex({ corpusPath: join(musique, 'corpus.jsonl'), directory, settings: { analyzer } });
      await publishIndex({ directory, uri });
      const data = await openIndex(directory);
      const reader = createIndexReader(data);
      const connection = await connectDatabase({ uri });
      const index = await openLancedbIndex(connection, uri);
      const questions = await readAllMusique(join(musique, 'questions.jsonl'));
      let different = 0;
      for (const { question } of questions) {
        const hits = await index.searchWords(question, { topK: 10, withText: false, timeoutMs: 60_000 });
        const { passages, scores } = reader.search(question, 10);
        const last = scores.at(-1) ?? NaN;
        expect(hits.length).toBe(passages.length);
        hits.forEach(({ position, score }, rank) => {
          expect(score / (scores[rank] ?? NaN)).toBeCloseTo(1, 5);
          if (score > last * (1 + 1e-5)) expect(passages).toContain(position);
        });
        if (hits.some(({ position }, rank) => position !== passages[rank])) different += 1;
      }
      expect(different).toBeLessThanOrEqual(10);
      index.close();
      connection.close();
      closeIndex(data);
    },
  );
});
