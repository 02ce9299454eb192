/**
 * Search by meaning under load: by vectors (all of them, or by a graph), joined with words, and reranked.
 *
 *     npx node bench/retrieval.ts dense [--models tiny|base] [--settings dense-exact,…] [--protocols grpc,http]
 *                                       [--clients 1,50,…] [--paced …] [--seconds 4] [--quick]
 *
 * All weights and the vectors of the passages are random, which changes the answers and not the time that they take.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { benchDirectory, musiqueOrSynthetic } from '../corpora.ts';
import { buildDenseIndexes } from '../dense/dense-indexes.ts';
import { measureModels } from '../dense/measure-models.ts';
import { randomModels } from '../dense/random-models.ts';
import { describeRow } from '../load/describe-row.ts';
import { loadFlags, parseLoads } from '../load/load-flags.ts';
import { measureLoads } from '../load/measure-loads.ts';
import { distinctQueries } from '../questions.ts';
import { startGradus } from '../start-gradus.ts';
import type { LoadTarget } from './load.ts';

const topK = 10;
/** Batches of another size move the last bits of vectors and logits. */
const tolerance = 1e-3;
/** A queue of 2,000 reranked searches is long, and nothing is to be given up here. */
const longLimits = ['--max-ms', '600000', '--http-timeout-ms', '600000'];

const settings = {
  'dense-exact': { index: 'exact', flags: ['--default-mode', 'dense'], rerank: false },
  'dense-hnsw': { index: 'hnsw', flags: ['--default-mode', 'dense'], rerank: false },
  hybrid: { index: 'hnsw', flags: ['--default-mode', 'hybrid'], rerank: false },
  'lexical-reranked': { index: 'exact', flags: ['--default-mode', 'lexical'], rerank: true },
  'hybrid-reranked': { index: 'hnsw', flags: ['--default-mode', 'hybrid'], rerank: true },
} as const;
const settingNames = ['dense-exact', 'dense-hnsw', 'hybrid', 'lexical-reranked', 'hybrid-reranked'] as const;

/**
 * What is measured where the flags leave it open. More queries than clients, so that no two searches under way are the same;
 * each is asked once before, which takes a reranker of the real shape a second or more.
 */
const usually = {
  tiny: { settings: settingNames.join(','), protocols: 'grpc,http', clients: '1,50,100,500,2000', queries: 2_560 },
  base: { settings: 'dense-hnsw,hybrid,hybrid-reranked', protocols: 'grpc', clients: '1,16', queries: 48 },
  quick: { settings: 'dense-hnsw,hybrid-reranked', protocols: 'grpc', clients: '1,100' },
};

export async function dense(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...loadFlags,
      seconds: { type: 'string', default: '2' },
      'warm-up': { type: 'string', default: '0.5' },
      paced: { type: 'string', default: '' },
      timeout: { type: 'string', default: '300' },
      protocols: { type: 'string' },
      models: { type: 'string', default: 'tiny' },
      settings: { type: 'string' },
    },
  });
  const shape = z.enum(['tiny', 'base']).parse(values.models);
  const usual = values.quick ? usually.quick : usually[shape];
  const protocols = (values.protocols ?? usual.protocols)
    .split(',')
    .map((protocol) => z.enum(['grpc', 'http']).parse(protocol));
  const names = (values.settings ?? usual.settings).split(',').map((name) => z.enum(settingNames).parse(name));
  const loads = parseLoads({ ...values, clients: values.clients ?? usual.clients });
  const corpus = await musiqueOrSynthetic();
  const queries = distinctQueries(corpus.questions, usually[shape].queries);
  const models = await randomModels(shape, corpus);
  const costs = await measureModels(models, corpus, Math.min(2, loads.seconds));
  process.stderr.write(`  models: ${JSON.stringify(costs)}\n`);
  const targets: LoadTarget[] = [];
  const directory = await mkdtemp(join(benchDirectory, 'dense-'));
  try {
    const { exactMs, hnswMs, ...indexes } = await buildDenseIndexes(corpus, models, directory);
    for (const name of names) {
      const { index, flags, rerank } = settings[name];
      const shown = ['--encoder', shape, ...flags, ...(rerank ? ['--reranker', shape] : []), '--cache-mib', '0'];
      await using server = await startGradus([
        '--index',
        indexes[index],
        '--encoder',
        models.encoder,
        ...flags,
        '--cache-mib',
        '0',
        ...longLimits,
        ...(rerank ? ['--reranker', models.reranker] : []),
      ]);
      for (const protocol of protocols) {
        process.stderr.write(`${name}, ${protocol}: services/retrieval/main.ts ${shown.join(' ')}\n`);
        const measured = await measureLoads(
          { protocol, address: server.addresses[protocol] ?? '', serverPid: server.pid, topK, tolerance },
          queries,
          loads,
          { onRow: (row) => process.stderr.write(describeRow(row)) },
        );
        targets.push({ name, protocol, server: shown.join(' '), startMs: server.startMs, ...measured });
      }
    }
    return {
      corpus: corpus.name,
      topK,
      queries: queries.length,
      loads,
      models: shape,
      costs,
      vectors: { exactMs, hnswMs },
      targets,
    };
  } finally {
    await rm(directory, { recursive: true });
  }
}
