import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const data = join(import.meta.dirname, '../../../shared/data/musique');

/** MuSiQue's passages and questions, where the data is present. */
export const musique = {
  corpus: join(data, 'corpus.jsonl'),
  questions: join(data, 'musique_ans_train_sample.jsonl'),
  present: existsSync(join(data, 'corpus.jsonl')),
};

const row = z.object({ question: z.string() });

/**
 * So many different queries that no two of them are under way at once: a service that searches once for all who ask the
 * same would otherwise be flattered. First the questions as they are, then each again with a word of another one.
 */
export function distinctQueries(questions: readonly string[], count: number): string[] {
  const words = [...new Set(questions.flatMap((question) => question.match(/\p{L}{4,}/gu) ?? []))];
  const queries = new Set(questions);
  for (let round = 0; queries.size < count; round++) {
    if (round > words.length) throw new RangeError(`${questions.length} questions do not give ${count} queries`);
    for (const [index, question] of questions.entries()) {
      if (queries.size < count) queries.add(`${question} ${words[(index * 31 + round * 7) % words.length] ?? ''}`);
    }
  }
  return [...queries].slice(0, count);
}

/** The questions of a JSONL file, one `{"question"}` a line, in its order. */
export function readQuestions(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => row.parse(JSON.parse(line)).question);
}
