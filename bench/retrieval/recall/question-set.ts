import { TerminalError } from '#platform/errors.ts';
import { readHotpotqa } from '#questions/hotpotqa/read-hotpotqa.ts';
import { allParagraphs, paragraphContents } from '#questions/hotpotqa/hotpotqa-row.ts';
import { classOf } from '#questions/musique/select-jan-nano.ts';
import { readMusique } from '#questions/musique/read-musique.ts';
import { readPages } from '../../../services/retrieval/corpus/read-pages.ts';

export interface SupportedQuestion {
  readonly question: string;
  /** `2hop`, `3hop` and `4hop` in MuSiQue; `bridge` and `comparison` in HotpotQA. */
  readonly group: string;
  /** Ids of the pages that hold the answer's facts, at least one. */
  readonly support: readonly string[];
}

/** Questions whose supporting pages are known, over one corpus. */
export interface QuestionSet {
  readonly name: string;
  /** Rows of a corpus. */
  readonly corpus: readonly { readonly id: string; readonly contents: string }[];
  readonly questions: readonly SupportedQuestion[];
}

/** MuSiQue rows over a corpus that holds every supporting paragraph word for word. */
export async function readMusiqueSet(questionsPath: string, corpusPath: string): Promise<QuestionSet> {
  const corpus: { id: string; contents: string }[] = [];
  for await (const { id, title, text } of readPages(corpusPath, { check: () => undefined })) {
    corpus.push({ id, contents: `${title}\n${text}` });
  }
  const idOf = new Map(corpus.map(({ id, contents }) => [contents, id]));
  const questions: SupportedQuestion[] = [];
  for await (const row of readMusique(questionsPath)) {
    const support = row.paragraphs
      .filter((paragraph) => paragraph.is_supporting)
      .map(({ title, paragraph_text: text }) => idIn(idOf, `${title}\n${text}`, `${questionsPath}: ${row.id}`));
    questions.push({ question: row.question, group: classOf(row.id).slice(0, '2hop'.length), support });
  }
  return { name: 'MuSiQue', corpus, questions };
}

/** HotpotQA rows over the union of their own contexts. */
export async function readHotpotqaSet(path: string): Promise<QuestionSet> {
  const rows = await readHotpotqa(path);
  const corpus = allParagraphs(rows).map((contents, at) => ({ id: `h${at}`, contents }));
  const idOf = new Map(corpus.map(({ id, contents }) => [contents, id]));
  const questions = rows.map((row, number) => {
    const titles = new Set(row.supporting_facts.map(([title]) => title));
    const support = row.context
      .filter(([title]) => titles.has(title))
      .map((paragraph) => idIn(idOf, paragraphContents(paragraph), `${path}: row ${number}`));
    return { question: row.question, group: row.type, support };
  });
  return { name: 'HotpotQA', corpus, questions };
}

function idIn(idOf: ReadonlyMap<string, string>, contents: string, where: string): string {
  const id = idOf.get(contents);
  if (id !== undefined) return id;
  const title = JSON.stringify(contents.split('\n', 1)[0]);
  throw new TerminalError('invalid_argument', `${where}: the supporting passage ${title} is not in the corpus`);
}
