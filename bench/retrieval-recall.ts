/**
 * How much of the supporting passages the first hits hold, setting by setting, as markdown on stdout.
 *
 *     npx node bench/retrieval-recall.ts [--data DIR] [--encoder MODEL] [--reranker MODEL] [--depth N] [--candidates N] [--questions N]
 *
 * DIR holds `musique/` and `hotpotqa/` (default ../shared/data). MODEL is a directory with ONNX weights, or
 * owner/name[@revision] of the Hugging Face cache or hub; without models only the rows by words are printed.
 * `--questions` takes only the first N of each set: for a trial.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { openCrossEncoder } from '../services/retrieval/models/cross-encoder.ts';
import { openEncoder } from '../services/retrieval/models/encoder.ts';
import { hubSettingsFrom } from '../services/retrieval/models/hub-settings.ts';
import { measureModels, measureWords, type WordSettings } from './retrieval/recall/measure-recall.ts';
import { readHotpotqaSet, readMusiqueSet, type QuestionSet } from './retrieval/recall/question-set.ts';
import { recallTable, recallTableByGroup } from './retrieval/recall/recall-table.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: join(import.meta.dirname, '../../shared/data') },
    encoder: { type: 'string' },
    reranker: { type: 'string' },
    depth: { type: 'string', default: '100' },
    candidates: { type: 'string', default: '15' },
    questions: { type: 'string', default: '1000000' },
  },
});
const count = z.coerce.number().int().min(1);
const [depth, candidates, questions] = [values.depth, values.candidates, values.questions].map((text) =>
  count.parse(text),
);

/** Lucene's defaults, and those that Anserini and Pyserini use. */
const weightings = [
  { k1: 1.2, b: 0.75 },
  { k1: 0.9, b: 0.4 },
] as const;
const analyzers = ['standard', 'english'] as const;
const plain: WordSettings[] = analyzers.flatMap((analyzer) =>
  weightings.map((weighting) => ({ analyzer, ...weighting, titleBoost: 1 })),
);
const boosted = [2, 3].flatMap((titleBoost) => plain.map((one) => ({ ...one, titleBoost })));
const chunked = plain.map((one) => ({ ...one, chunk: { words: 60, overlap: 15 } }));

const hub = hubSettingsFrom(process.env);
const encoder = values.encoder === undefined ? undefined : await openEncoder(values.encoder, { hub });
const reranker = values.reranker === undefined ? undefined : await openCrossEncoder(values.reranker, { hub });
const { data } = values;
const sets = [
  await readMusiqueSet(join(data, 'musique/musique_ans_train_sample.jsonl'), join(data, 'musique/corpus.jsonl')),
  await readHotpotqaSet(join(data, 'hotpotqa/hotpotqa_train_sample.json')),
];
for (const whole of sets) {
  const set: QuestionSet = { ...whole, questions: whole.questions.slice(0, questions) };
  const measured = await measureWords(set, [...plain, ...boosted, ...chunked]);
  const models =
    encoder === undefined && reranker === undefined
      ? []
      : await measureModels(
          set,
          { analyzer: 'standard', k1: 1.2, b: 0.75, titleBoost: 1 },
          { encoder, reranker, depth: depth ?? 100, candidates: candidates ?? 15 },
        );
  const title = `## ${set.name}: ${set.questions.length} questions, ${set.corpus.length} passages`;
  const byGroup = [...measured.slice(0, plain.length), ...models];
  process.stdout.write(`${title}\n\n${recallTable(set, [...measured, ...models])}\n\n`);
  process.stdout.write(`${recallTableByGroup(set, byGroup)}\n\n`);
}
await encoder?.dispose();
await reranker?.dispose();
