/**
 * One step with an index in a process of its own, so that its memory and time can be reported. Prints JSON.
 *
 *     index-process.ts build CORPUS DIRECTORY
 *     index-process.ts search DIRECTORY FILE-WITH-QUERIES SECONDS
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { buildIndex } from '../../../services/retrieval/index/build-index.ts';
import { createIndexReader } from '../../../services/retrieval/index/index-reader.ts';
import { openIndex } from '../../../services/retrieval/index/open-index.ts';
import { anonymousMiBOf, peakResidentMiBOf, residentMiBOf } from '../process-facts.ts';
import { measureRate } from '../rate.ts';
import type { BuildStep, SearchStep } from './index-steps.ts';

const topK = 10;
const firstQueries = 1_000;

async function build(corpusPath: string, directory: string): Promise<BuildStep> {
  const startedMs = performance.now();
  const { terms, postings, corpus } = await buildIndex({ corpusPath, directory, settings: {} });
  const { user, system } = process.cpuUsage();
  const files = Object.fromEntries(readdirSync(directory).map((name) => [name, statSync(join(directory, name)).size]));
  return {
    buildMs: Math.round(performance.now() - startedMs),
    cpuSeconds: Math.round((user + system) / 1e4) / 100,
    peakResidentMiB: Math.round(peakResidentMiBOf(process.pid)),
    passages: corpus.passages,
    terms,
    postings,
    corpusBytes: statSync(corpusPath).size,
    indexBytes: Object.values(files).reduce((sum, bytes) => sum + bytes, 0),
    files,
  };
}

async function search(directory: string, queriesPath: string, seconds: number): Promise<SearchStep> {
  const queries = z.array(z.string()).parse(JSON.parse(readFileSync(queriesPath, 'utf8')));
  const memory = () => ({
    residentMiB: Math.round(residentMiBOf([process.pid])),
    anonymousMiB: Math.round(anonymousMiBOf(process.pid)),
  });
  const before = memory();
  const startedMs = performance.now();
  const index = await openIndex(directory);
  const openMs = performance.now() - startedMs;
  const { search: find, card } = createIndexReader(index);
  const ask = (query: string): unknown => Array.from(find(query, topK).passages, (passage) => card(passage));
  const askedMs = performance.now();
  ask(queries[0] ?? '');
  const firstQueryMs = performance.now() - askedMs;
  const opened = memory();
  const thousandMs = performance.now();
  for (let query = 1; query < firstQueries; query++) ask(queries[query % queries.length] ?? '');
  const firstThousandMs = performance.now() - thousandMs;
  const searched = memory();
  const round = (ms: number): number => Math.round(ms * 10) / 10;
  return {
    openMs: round(openMs),
    firstQueryMs: round(firstQueryMs),
    firstThousandMs: round(firstThousandMs),
    memory: { before, opened, searched },
    rate: await measureRate(queries, seconds, 1, ask),
  };
}

const [step, ...args] = process.argv.slice(2);
const [first, second, third] = z.array(z.string()).parse(args);
const report = await (step === 'build'
  ? build(first ?? '', second ?? '')
  : search(first ?? '', second ?? '', Number(third ?? '1')));
process.stdout.write(`${JSON.stringify(report)}\n`);
