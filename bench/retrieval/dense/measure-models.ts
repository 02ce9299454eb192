import { readPages } from '../../../services/retrieval/corpus/read-pages.ts';
import { openCrossEncoder } from '../../../services/retrieval/models/cross-encoder.ts';
import { openEncoder } from '../../../services/retrieval/models/encoder.ts';
import { hubSettingsFrom } from '../../../services/retrieval/models/hub-settings.ts';
import type { BenchCorpus } from '../corpora.ts';
import type { RandomModels } from './random-models.ts';

const hub = hubSettingsFrom({});
const candidates = 15;
const passagesRead = 512;

/** What one text costs, with both cores and nothing else to do. */
export interface ModelCosts {
  readonly queriesPerSecond: number;
  readonly queriesOneByOnePerSecond: number;
  readonly passagesPerSecond: number;
  /** Rerankings of 15 passages. */
  readonly rerankingsPerSecond: number;
}

export async function measureModels(
  models: RandomModels,
  { path, questions }: BenchCorpus,
  seconds: number,
): Promise<ModelCosts> {
  const passages: string[] = [];
  for await (const { title, text } of readPages(path, { check: () => undefined })) {
    passages.push(`${title}\n${text}`);
    if (passages.length === passagesRead) break;
  }
  const encoder = await openEncoder(models.encoder, { hub });
  const crossEncoder = await openCrossEncoder(models.reranker, { hub });
  try {
    return {
      queriesPerSecond: await rateOf(seconds, 64, (at) => encoder.encode(slice(questions, at, 64), 'query')),
      queriesOneByOnePerSecond: await rateOf(seconds, 1, (at) => encoder.encode(slice(questions, at, 1), 'query')),
      passagesPerSecond: await rateOf(seconds, 32, (at) => encoder.encode(slice(passages, at, 32), 'passage')),
      rerankingsPerSecond: await rateOf(seconds, 1, (at) =>
        crossEncoder.score(questions[at % questions.length] ?? '', slice(passages, at, candidates)),
      ),
    };
  } finally {
    await encoder.dispose();
    await crossEncoder.dispose();
  }
}

function slice(texts: readonly string[], at: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => texts[(at * count + index) % texts.length] ?? '');
}

async function rateOf(seconds: number, texts: number, work: (at: number) => Promise<unknown>): Promise<number> {
  await work(0);
  const started = performance.now();
  let calls = 0;
  while (performance.now() - started < seconds * 1000) await work((calls += 1));
  return Math.round(((calls * texts) / (performance.now() - started)) * 1_000_000) / 1000;
}
