/**
 * The service under load, over gRPC and HTTP: closed loops of many clients, and a paced one.
 *
 *     npx node bench/retrieval.ts load [--protocols grpc,http] [--clients 1,50,…] [--paced 100x1500] [--seconds 4] [--quick]
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { musiqueOrSynthetic } from '../corpora.ts';
import { describeRow } from '../load/describe-row.ts';
import { loadFlags, parseLoads } from '../load/load-flags.ts';
import { measureLoads, type Loads, type MeasuredLoads } from '../load/measure-loads.ts';
import { distinctQueries } from '../questions.ts';
import { startGradus } from '../start-gradus.ts';
import { indexCorpus } from '../../../services/retrieval/index/index-corpus.ts';
import { createIndexReader } from '../../../services/retrieval/index/index-reader.ts';
import { closeIndex } from '../../../services/retrieval/index/open-index.ts';
import type { Ranking } from '../load/answers.ts';

export interface LoadTarget extends MeasuredLoads {
  readonly name: string;
  readonly protocol: 'grpc' | 'http';
  readonly server: string;
  readonly startMs: number;
}

const topK = 10;
/** More than clients, so that no two searches under way are the same. */
const queriesAsked = 4_096;
const cachedClients = [100];

export async function load(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: { ...loadFlags, protocols: { type: 'string', default: 'grpc,http' } },
  });
  const protocols = values.protocols.split(',').map((protocol) => z.enum(['grpc', 'http']).parse(protocol));
  const loads = parseLoads(values);
  const corpus = await musiqueOrSynthetic();
  const queries = distinctQueries(corpus.questions, queriesAsked);
  const expected = await lexicalRankings(corpus.path, queries);
  const targets: LoadTarget[] = [];

  async function measure(name: string, flags: readonly string[], some: Loads): Promise<void> {
    await using server = await startGradus(['--corpus', corpus.path, ...flags]);
    for (const protocol of protocols) {
      process.stderr.write(`${name}, ${protocol}: ${server.command}\n`);
      const measured = await measureLoads(
        { protocol, address: server.addresses[protocol] ?? '', serverPid: server.pid, topK, tolerance: 0 },
        queries,
        some,
        { expected, onRow: (row) => process.stderr.write(describeRow(row)) },
      );
      targets.push({ name, protocol, server: server.command, startMs: server.startMs, ...measured });
    }
  }

  await measure('lexical', ['--cache-mib', '0'], loads);
  // Every query has been asked once before, so all of them are answered from the cache.
  await measure('lexical, all answers cached', [], { ...loads, clients: cachedClients, paced: [] });
  return { corpus: corpus.name, topK, queries: queries.length, loads, targets };
}

/** What a service over this corpus has to answer, from an index in this process. */
export async function lexicalRankings(corpus: string, queries: readonly string[]): Promise<Ranking[]> {
  const index = await indexCorpus(corpus, { analyzer: 'standard', k1: 1.2, b: 0.75 });
  try {
    const { search, card } = createIndexReader(index);
    return queries.map((query) => {
      const { passages, scores } = search(query, topK);
      return Array.from(passages, (passage, place) => ({ id: card(passage).id, score: scores[place] ?? NaN }));
    });
  } finally {
    closeIndex(index);
  }
}
