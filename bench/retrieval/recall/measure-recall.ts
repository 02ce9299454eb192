import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildIndex } from '../../../services/retrieval/index/build-index.ts';
import { createIndexReader } from '../../../services/retrieval/index/index-reader.ts';
import type { IndexSettings } from '../../../services/retrieval/index/manifest.ts';
import { closeIndex, openIndex } from '../../../services/retrieval/index/open-index.ts';
import type { CrossEncoder } from '../../../services/retrieval/models/cross-encoder.ts';
import type { Encoder } from '../../../services/retrieval/models/encoder.ts';
import type { QuestionSet } from './question-set.ts';
import { rankByModels, rankPages } from './rank-by-models.ts';

export type WordSettings = Pick<IndexSettings, 'analyzer' | 'k1' | 'b' | 'titleBoost' | 'chunk'>;

export interface Measured {
  readonly setting: string;
  /** Page ids for each question of the set, best first, at least as many as the last cutoff where so many match. */
  readonly rankings: readonly (readonly string[])[];
}

/** The first k hits that are looked at. */
export const cutoffs = [2, 5, 10] as const;
const most = Math.max(...cutoffs);

/** Ranks all questions of a set by words, once for every setting. */
export async function measureWords(set: QuestionSet, settings: readonly WordSettings[]): Promise<Measured[]> {
  return await withCorpus(set, async (corpusPath, directory) => {
    const measured: Measured[] = [];
    for (const [at, one] of settings.entries()) {
      const index = join(directory, `index-${at}`);
      await buildIndex({ corpusPath, directory: index, settings: one });
      const data = await openIndex(index);
      const reader = createIndexReader(data);
      const chunked = one.chunk !== undefined;
      const rankings = set.questions.map(({ question }) => rankPages(reader, question, most, chunked));
      closeIndex(data);
      measured.push({ setting: wordSetting(one), rankings });
    }
    return measured;
  });
}

/** Ranks all questions by vectors, by both together, and by a cross-encoder on top, as far as there are models. */
export async function measureModels(
  set: QuestionSet,
  settings: WordSettings,
  models: {
    readonly encoder?: Encoder | undefined;
    readonly reranker?: CrossEncoder | undefined;
    /** Hits of each list that are fused, and those that the cross-encoder orders anew. */
    readonly depth: number;
    readonly candidates: number;
  },
): Promise<Measured[]> {
  return await withCorpus(set, async (corpusPath, directory) => {
    const index = join(directory, 'index');
    await buildIndex({ corpusPath, directory: index, settings });
    const data = await openIndex(index);
    try {
      const questions = set.questions.map(({ question }) => question);
      const { passages } = data.manifest.corpus;
      return await rankByModels({ reader: createIndexReader(data), passages, questions, ...models });
    } finally {
      closeIndex(data);
    }
  });
}

function wordSetting({ analyzer, k1, b, titleBoost, chunk }: WordSettings): string {
  const title = titleBoost === 1 ? '' : `, titles x ${titleBoost}`;
  const chunks = chunk === undefined ? '' : `, chunks of ${chunk.words} words, ${chunk.overlap} shared`;
  return `${analyzer}, k1 ${k1}, b ${b}${title}${chunks}`;
}

async function withCorpus<T>(
  { corpus }: QuestionSet,
  work: (corpusPath: string, directory: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-recall-'));
  try {
    const corpusPath = join(directory, 'corpus.jsonl');
    await writeFile(corpusPath, corpus.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return await work(corpusPath, directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
