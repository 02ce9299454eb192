/**
 * Lexical search inside one process: one thread that does nothing else, and the service's own threads under callers that
 * ask at once.
 *
 *     npx node bench/retrieval.ts in-process [--seconds 5] [--quick]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { buildIndex } from '../../../services/retrieval/index/build-index.ts';
import { createIndexReader } from '../../../services/retrieval/index/index-reader.ts';
import { closeIndex, openIndex } from '../../../services/retrieval/index/open-index.ts';
import { musiqueOrSynthetic } from '../corpora.ts';
import { openServiceRetriever } from '../open-service-retriever.ts';
import { distinctQueries } from '../questions.ts';
import { measureRate, type Rate } from '../rate.ts';

const topK = 10;
const callers = 64;
const queriesAsked = 4_096;

export async function inProcess(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: { seconds: { type: 'string', default: '5' }, quick: { type: 'boolean', default: false } },
  });
  const seconds = values.quick ? 1 : z.coerce.number().positive().parse(values.seconds);
  const corpus = await musiqueOrSynthetic();
  const questions = corpus.questions;
  const rows: ({ readonly what: string } & Rate)[] = [];
  const measure = async (
    what: string,
    queries: readonly string[],
    asking: number,
    search: (query: string) => unknown,
  ): Promise<void> => {
    const row = { what, ...(await measureRate(queries, seconds, asking, search)) };
    process.stderr.write(`  ${what}: ${row.queriesPerSecond}/s, p50 ${row.p50Ms}, p99 ${row.p99Ms} ms\n`);
    rows.push(row);
  };

  const directory = await mkdtemp(join(tmpdir(), 'gradus-bench-'));
  try {
    for (const analyzer of ['standard', 'english'] as const) {
      const path = join(directory, analyzer);
      await buildIndex({ corpusPath: corpus.path, directory: path, settings: { analyzer } });
      const index = await openIndex(path);
      const { search, card } = createIndexReader(index);
      await measure(`one thread, ${analyzer}: passages and scores`, questions, 1, (query) => search(query, topK));
      await measure(`one thread, ${analyzer}: with id, title, preview`, questions, 1, (query) =>
        Array.from(search(query, topK).passages, card),
      );
      closeIndex(index);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
  const queries = distinctQueries(questions, queriesAsked);
  for (const threads of [1, 2]) {
    const flags = ['--corpus', corpus.path, '--cache-mib', '0', '--search-threads', String(threads)];
    await using service = await openServiceRetriever(flags);
    await measure(`the service, ${threads} search threads, ${callers} callers`, queries, callers, (query) =>
      service.retriever.search([query], { topK }),
    );
  }
  return { corpus: corpus.name, topK, questions: questions.length, rows };
}
