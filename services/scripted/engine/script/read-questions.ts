import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { readRecords } from '#platform/records/read-records.ts';
import { readMusique } from '#questions/musique/read-musique.ts';
import { type QuestionFormat, wireRow } from '#questions/question-row.ts';
import { readRowFacts } from '#questions/row-facts.ts';
import { readRows } from '#questions/read-rows.ts';

/** What a script needs to know to play a rollout. */
export interface ScriptedQuestion {
  readonly question: string;
  readonly answer: string;
  /** Titles of the pages with its facts, in order. */
  readonly titles: readonly string[];
  /** Ids of those pages; shorter or empty where the corpus has no page of that title. */
  readonly pageIds: readonly string[];
}

const pageSchema = z.object({
  id: z.union([z.string(), z.int()]).transform(String),
  title: z.string().optional(),
  contents: z.string().optional(),
});

/** Reads the questions of all files, with the ids of their pages if there is a corpus. Throws TerminalError that names file and line. */
export async function readQuestions(
  files: readonly string[],
  format: QuestionFormat,
  corpus: string | undefined,
): Promise<readonly ScriptedQuestion[]> {
  const pages = corpus === undefined ? new Map<string, string>() : await readPageIds(corpus);
  const questions: ScriptedQuestion[] = [];
  for (const file of files) {
    for await (const { question, answer, titles } of format === 'musique'
      ? musiqueQuestions(file)
      : rowQuestions(file)) {
      questions.push({ question, answer, titles, pageIds: titles.flatMap((title) => pages.get(title) ?? []) });
    }
  }
  return questions;
}

type Unplaced = Omit<ScriptedQuestion, 'pageIds'>;

async function* musiqueQuestions(file: string): AsyncGenerator<Unplaced> {
  for await (const row of readMusique(file)) {
    const titles = row.question_decomposition.flatMap(({ paragraph_support_idx: index }) =>
      row.paragraphs.filter(({ idx }) => idx === index).map(({ title }) => title),
    );
    yield { question: row.question, answer: row.answer, titles };
  }
}

async function* rowQuestions(file: string): AsyncGenerator<Unplaced> {
  for await (const { row } of readRows(file, { format: 'plain' })) {
    const { question, answers, supportTitles: titles } = readRowFacts(wireRow(row));
    yield { question, answer: answers[0] ?? '', titles };
  }
}

async function readPageIds(path: string): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  for await (const { value, place } of readRecords(path)) {
    const { data, error } = pageSchema.safeParse(value);
    if (data === undefined) {
      throw new TerminalError('invalid_argument', `corpus: ${place} is not a page of a corpus`, { cause: error });
    }
    ids.set(data.title ?? data.contents?.split('\n', 1)[0]?.trim() ?? '', data.id);
  }
  return ids;
}
