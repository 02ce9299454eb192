import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { readLines } from '#platform/files/read-lines.ts';
import { createAnalyzer, type AnalyzerName } from '../analyzer/analyzer.ts';
import { indexCorpus } from './index-corpus.ts';
import { createIndexReader } from './index-reader.ts';
import { closeIndex } from './open-index.ts';

const root = join(import.meta.dirname, '../../..');
const musique = join(root, 'data/musique');
const python = join(root, '.venv/bin/python');
const missing = [python].filter((path) => !existsSync(path));

const answersSchema = z.array(z.object({ passages: z.array(z.number()), scores: z.array(z.number()) }));

/** bm25s computes in 32 bits. */
const tolerance = 1e-4;

describe.skipIf(missing.length > 0)(
  `bm25s with Lucene's formula${missing.length > 0 ? ` (skipped: ${missing.join(', ')} is absent)` : ''}`,
  () => {
    test.each([
      ['standard', 1.2, 0.75],
      ['english', 0.9, 0.4],
    ] as const)(
      'gives the same ten best scores for every MuSiQue question: %s, k1 %d, b %d',
      async (name: AnalyzerName, k1, b) => {
        const analyzer = createAnalyzer(name);
        const data = await indexCorpus(join(musique, 'corpus.jsonl'), { analyzer: name, k1, b });
        const reader = createIndexReader(data);
        const questions: string[] = [];
        for await (const { text } of readLines(join(musique, 'questions.jsonl')))
          questions.push(z.object({ question: z.string() }).parse(JSON.parse(text)).question);
        const passages = Array.from({ length: data.manifest.corpus.passages }, (_, passage) => {
          const { title, text } = reader.text(passage);
          return analyzer(`${title}\n${text}`);
        });
        const directory = await mkdtemp(join(tmpdir(), 'gradus-bm25s-'));
        const request = join(directory, 'request.json');
        await writeFile(request, JSON.stringify({ passages, queries: questions.map(analyzer), k: 10, k1, b }));
        const output = execFileSync(python, [join(import.meta.dirname, 'bm25s_reference.py'), request], {
          maxBuffer: 64 * 1024 * 1024,
        });
        await rm(directory, { recursive: true });
        const expected = answersSchema.parse(JSON.parse(output.toString()));

        expect(questions.length).toBe(299);
        let compared = 0;
        questions.forEach((question, at) => {
          const { scores } = reader.search(question, 10);
          const reference = expected[at]?.scores ?? [];
          expect(scores.length).toBe(10);
          scores.forEach((score, rank) => {
            expect(Math.abs(score / (reference[rank] ?? NaN) - 1), `${question}, rank ${rank}`).toBeLessThan(tolerance);
            compared += 1;
          });
          // The same passages too, but for those whose scores are equal within 32 bits.
          const first = expected[at]?.passages[0] ?? -1;
          if ((reference[0] ?? 0) - (reference[1] ?? 0) > tolerance)
            expect(reader.search(question, 1).passages[0]).toBe(first);
        });
        expect(compared).toBe(2_990);
        closeIndex(data);
      },
    );
  },
);
