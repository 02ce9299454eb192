/**
 * The server that people write for Search-R1's API (FastAPI, uvicorn, bm25s) next to ours, under the same load: same
 * corpus, queries, k and client.
 *
 *     npx node bench/retrieval.ts servers [--servers plain-1,tuned-2,…] [--clients 1,50,…] [--seconds 4] [--quick]
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { musiqueOrSynthetic } from '../corpora.ts';
import { describeRow } from '../load/describe-row.ts';
import { loadFlags, parseLoads } from '../load/load-flags.ts';
import { measureLoads } from '../load/measure-loads.ts';
import { benchPython } from '../python/environment.ts';
import { distinctQueries } from '../questions.ts';
import { startGradus } from '../start-gradus.ts';
import { startServer, type RunningServer } from '../start-server.ts';
import type { LoadTarget } from './load.ts';

const topK = 10;
const queriesAsked = 4_096;

/**
 * plain: the endpoint is a function that FastAPI runs in its threads, bm25s as installed. tuned: it runs in the event loop
 * and bm25s is compiled by numba. The number: processes of uvicorn.
 */
const pythonServers = {
  'plain-1': ['--workers', '1', '--backend', 'numpy', '--endpoint', 'sync'],
  'plain-2': ['--workers', '2', '--backend', 'numpy', '--endpoint', 'sync'],
  'tuned-1': ['--workers', '1', '--backend', 'numba', '--endpoint', 'async'],
  'tuned-2': ['--workers', '2', '--backend', 'numba', '--endpoint', 'async'],
} as const;
const quickServers = 'gradus,plain-1';
const serverNames = ['gradus', 'plain-1', 'plain-2', 'tuned-1', 'tuned-2'] as const;

export async function servers(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: { ...loadFlags, servers: { type: 'string' } },
  });
  const names = (values.servers ?? (values.quick ? quickServers : serverNames.join(',')))
    .split(',')
    .map((name) => z.enum(serverNames).parse(name));
  const loads = parseLoads(values);
  const corpus = await musiqueOrSynthetic();
  const queries = distinctQueries(corpus.questions, queriesAsked);
  const targets: LoadTarget[] = [];
  for (const name of names) {
    const flags = name === 'gradus' ? ['--cache-mib', '0'] : pythonServers[name];
    const shown = name === 'gradus' ? 'services/retrieval/main.ts' : 'bench/retrieval/python/search_r1_server.py';
    process.stderr.write(`${name}: ${shown} ${flags.join(' ')}\n`);
    await using server = await start(name, corpus.path);
    const measured = await measureLoads(
      { protocol: 'http', address: server.addresses['http'] ?? '', serverPid: server.pid, topK, tolerance: 0 },
      queries,
      loads,
      { onRow: (row) => process.stderr.write(describeRow(row)) },
    );
    targets.push({
      name,
      protocol: 'http',
      server: `${shown} ${flags.join(' ')}`,
      startMs: server.startMs,
      ...measured,
    });
  }
  return { corpus: corpus.name, topK, queries: queries.length, loads, targets };
}

async function start(name: (typeof serverNames)[number], corpus: string): Promise<RunningServer> {
  if (name === 'gradus') return await startGradus(['--corpus', corpus, '--cache-mib', '0']);
  const script = join(import.meta.dirname, '../python/search_r1_server.py');
  return await startServer(await benchPython(), [script, '--corpus', corpus, ...pythonServers[name]]);
}
