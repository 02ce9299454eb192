import type { EnvironmentDefinition } from '#environments/kit/environment.ts';
import type { Row } from '#proto/rollout/v1/task_pb.ts';
import { normalizeAnswer } from '#answer/normalize-answer.ts';
import { TerminalError } from '#platform/errors.ts';
import type { MuSiqueRow } from './musique/musique-row.ts';
import { readMusique } from './musique/read-musique.ts';
import { musiqueQuestion } from './musique/to-question.ts';
import { issuesOf } from '#recipe/zod-issues.ts';
import { showValue } from '#platform/text/show-value.ts';
import { checkQuestion, readsSets, readsText, type CheckedStage } from '#rewards/check-question.ts';
import { type QuestionFormat, plainRowOf, wireRow, type PlainRow } from './question-row.ts';
import { readRows, type PlacedRow } from './read-rows.ts';
import { readRowFacts, type JsonObject } from './row-facts.ts';

/** What rows are checked against before anything is generated for them. */
export interface RowNeeds {
  readonly stages: readonly CheckedStage[];
  /** What the environment says of its rows. */
  readonly row: EnvironmentDefinition['row'];
  /** The environment gives a reward itself: rows need no gold for that. */
  readonly selfScored: boolean;
  /** The environment searches a corpus. */
  readonly isSearched: boolean;
}

/**
 * The rows of a prepared file, as tasks carry them. Throws TerminalError that begins with file and line where a row is malformed,
 * lacks what the environment takes, or has gold that a scorer of a stage cannot read.
 */
export async function* readQuestions(
  path: string,
  format: QuestionFormat,
  needs: RowNeeds,
): AsyncGenerator<Row, void, undefined> {
  switch (format) {
    case 'musique':
      for await (const row of readMusique(path)) yield checkedMusique(row, path, needs);
      return;
    case 'plain':
      for await (const placed of readRows(path, { format })) yield checkedQuestion(placed, needs);
  }
}

/** The task's row of a row in MuSiQue's schema. Throws TerminalError that begins with its place where it cannot be used. */
export function checkedMusique(row: MuSiqueRow, place: string, needs: RowNeeds): Row {
  return checkedRow(plainRowOf(musiqueQuestion(row, readsText(needs.stages) ? 'text' : 'other')), place, needs);
}

/** The task's row of a row. Throws TerminalError that begins with its place where it cannot be used. */
export function checkedQuestion({ row, place }: PlacedRow, needs: RowNeeds): Row {
  const { aliases } = row.gold;
  if (Array.isArray(aliases) && aliases.length > 0 && readsSets(needs.stages)) {
    throw new TerminalError(
      'invalid_argument',
      `${place}: aliases: ${aliases.length} next to the answer, and set_f1 takes each answer for an element of the set; keep the elements only`,
    );
  }
  return checkedRow(row, place, needs);
}

function checkedRow(
  { id, data, gold, tags }: PlainRow,
  place: string,
  { stages, row: schemas, selfScored }: RowNeeds,
): Row {
  const issues = [['data', data] as const, ['gold', gold] as const].flatMap(([part, value]) => {
    const { error } = schemas[part].safeParse(value, { reportInput: true });
    return error === undefined
      ? []
      : issuesOf(schemas[part], error).map((issue) => ({ ...issue, field: [part, ...issue.path].join('.') }));
  });
  const [first] = issues;
  if (first !== undefined) {
    const said = issues.map(
      ({ field, message, value }) => `${field}: ${message}${value === undefined ? '' : ` (got ${showValue(value)})`}`,
    );
    throw new TerminalError('invalid_argument', `${place}: row ${id}: ${said.join('; ')}`, {
      details: { field: first.field },
    });
  }
  const kept = dropsEmptyAliases(stages) ? withoutEmptyAliases(gold) : gold;
  const row = wireRow({ id, data, gold: kept, tags });
  checkQuestion({ id, ...readRowFacts(row) }, stages, place, selfScored);
  return row;
}

/** An alias that only text scorers would trip over can go; an element of a set cannot. */
function dropsEmptyAliases(stages: readonly CheckedStage[]): boolean {
  return readsText(stages) && !readsSets(stages);
}

/**
 * Aliases that normalise to nothing would match an empty answer. The first answer always stays, for the check of gold to refuse.
 */
export function withoutEmptyAliases(gold: JsonObject): JsonObject {
  const isText = (answer: unknown): boolean => typeof answer !== 'string' || normalizeAnswer(answer) !== '';
  const { answers, aliases } = gold;
  return {
    ...gold,
    ...(Array.isArray(answers) && { answers: answers.filter((answer: unknown, at) => at === 0 || isText(answer)) }),
    ...(Array.isArray(aliases) && { aliases: aliases.filter(isText) }),
  };
}
