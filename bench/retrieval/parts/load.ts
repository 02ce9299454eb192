/**
 * The service under load, over gRPC and HTTP: closed loops of many clients, and a paced one.
 *
 *     npx node bench/retrieval.ts load [--protocols grpc,http] [--clients 1,50,…] [--paced 100x1500] [--seconds 4] [--quick]
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { musiqueOrSynthetic } from '../corpora.ts';
import { lexicalRankings } from '../lexical-rankings.ts';
import { describeRow } from '../load/describe-row.ts';
import { loadFlags, parseLoads } from '../load/load-flags.ts';
import { measureLoads, type Loads, type MeasuredLoads } from '../load/measure-loads.ts';
import { distinctQueries } from '../questions.ts';
import { startGradus } from '../start-gradus.ts';

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
  const expected = await lexicalRankings(corpus.path, queries, topK);
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
