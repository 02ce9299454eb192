/**
 * Lexical search of other libraries next to ours: the same corpus, questions and k, each in a process of its own.
 *
 *     npx node bench/retrieval.ts engines [--engines gradus,bm25s-numpy,…] [--passages N] [--seconds 5] [--quick]
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { musiqueOrSynthetic, syntheticCorpus } from '../corpora.ts';
import type { EngineReport } from '../engines/engine.ts';
import { engineNames, runEngine } from '../engines/run-engine.ts';

const topK = 10;
/** Without the one that compiles itself first. */
const quickEngines = 'gradus,bm25s-numpy,lancedb,orama';

export async function engines(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      engines: { type: 'string' },
      passages: { type: 'string' },
      seconds: { type: 'string', default: '5' },
      quick: { type: 'boolean', default: false },
    },
  });
  const seconds = values.quick ? 1 : z.coerce.number().positive().parse(values.seconds);
  const names = (values.engines ?? (values.quick ? quickEngines : engineNames.join(',')))
    .split(',')
    .map((name) => z.enum(engineNames).parse(name));
  const corpus =
    values.passages === undefined
      ? await musiqueOrSynthetic()
      : await syntheticCorpus(z.coerce.number().int().positive().parse(values.passages));
  const reports: (Omit<EngineReport, 'found'> & { readonly sameAsFirst: number })[] = [];
  let first: EngineReport | undefined;
  for (const name of names) {
    const { found, ...report } = await runEngine(name, {
      corpus: corpus.path,
      questions: corpus.questions,
      topK,
      seconds,
    });
    first ??= { ...report, found };
    const sameAsFirst = sharedOf(first.found, found);
    reports.push({ ...report, sameAsFirst });
    for (const { callers, batch = 1, queriesPerSecond, p50Ms, p99Ms } of report.rows) {
      process.stderr.write(
        `  ${report.engine}, ${callers} callers, batch ${batch}: ${queriesPerSecond}/s, p50 ${p50Ms}, p99 ${p99Ms} ms; ` +
          `ready after ${report.readyMs} ms, ${report.residentMiB} MiB, ${Math.round(sameAsFirst * 1000) / 10} % same hits\n`,
      );
    }
  }
  return { corpus: corpus.name, topK, questions: corpus.questions.length, engines: reports };
}

/** Share of the first one's hits that the other found too. */
function sharedOf(first: readonly (readonly string[])[], other: readonly (readonly string[])[]): number {
  let shared = 0;
  let all = 0;
  for (const [index, ids] of first.entries()) {
    const found = new Set(other[index]);
    all += ids.length;
    shared += ids.filter((id) => found.has(id)).length;
  }
  return shared / all;
}
