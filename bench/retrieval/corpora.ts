import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { musique, readQuestions } from './questions.ts';
import { syntheticQuestions, writeSyntheticCorpus } from './synthetic-corpus.ts';

export interface BenchCorpus {
  readonly name: string;
  readonly path: string;
  readonly questions: readonly string[];
}

const seed = 1;
const questionsOfSynthetic = 300;
/** Where large files of benches lie between runs; ignored by git. */
export const benchDirectory = join(import.meta.dirname, '../../.build/bench');

/** MuSiQue's passages, or, where the data is absent, a synthetic corpus of the same size. */
export async function musiqueOrSynthetic(): Promise<BenchCorpus> {
  if (!musique.present) return await syntheticCorpus(12_475);
  return { name: 'MuSiQue', path: musique.corpus, questions: readQuestions(musique.questions) };
}

/** Written once, then kept. */
export async function syntheticCorpus(passages: number): Promise<BenchCorpus> {
  await mkdir(benchDirectory, { recursive: true });
  const path = join(benchDirectory, `synthetic-${passages}.jsonl`);
  const complete = `${path}.complete`;
  const written = await stat(complete).then(
    () => true,
    () => false,
  );
  if (!written) {
    process.stderr.write(`writing a synthetic corpus of ${passages} passages\n`);
    await writeSyntheticCorpus(path, { passages, seed }, (done) => process.stderr.write(`  ${done} passages\n`));
    await writeFile(complete, '');
  }
  return { name: 'synthetic', path, questions: syntheticQuestions({ passages, seed }, questionsOfSynthetic) };
}
