import type { Row } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { parseJsonAt } from '#platform/files/parse-json.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** A row as scorers see it. */
export interface RowFacts {
  readonly data: JsonObject;
  readonly gold: JsonObject;
  /** `question` of the data; all of the data as JSON where it has none. A judge reads it as the question. */
  readonly question: string;
  /** `answers` of the gold, or its `answer` and `aliases`: what text, number and date scorers compare with. Empty where it has neither. */
  readonly answers: readonly string[];
  /** `support_titles` of the gold: titles of the pages that hold the facts. */
  readonly supportTitles: readonly string[];
}

type WireRow = Pick<Row, 'dataJson' | 'goldJson'>;

const known = new WeakMap<WireRow, RowFacts>();

/** The same object for the same row, for those who ask several times about a few. */
export function rowFacts(row: WireRow | undefined): RowFacts {
  if (row === undefined) throw new TerminalError('invalid_argument', 'row: missing');
  const facts = known.get(row) ?? readRowFacts(row);
  known.set(row, facts);
  return facts;
}

/** Throws TerminalError('invalid_argument') for a row whose data or gold is not a JSON object. */
export function readRowFacts(row: WireRow): RowFacts {
  const data = objectOf('data_json', row.dataJson);
  const gold = objectOf('gold_json', row.goldJson);
  const { question } = data;
  return {
    data,
    gold,
    question: typeof question === 'string' ? question : row.dataJson,
    answers: 'answers' in gold ? textsOf(gold['answers']) : [...textsOf(gold['answer']), ...textsOf(gold['aliases'])],
    supportTitles: textsOf(gold['support_titles']),
  };
}

function objectOf(field: string, json: string): JsonObject {
  if (json === '') return {};
  const value = parseJsonAt(json, `row.${field}`);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new TerminalError('invalid_argument', `row.${field}: must be a JSON object`);
}

function textsOf(value: unknown): readonly string[] {
  if (value === undefined) return [];
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.flatMap((one) => (typeof one === 'string' || typeof one === 'number' ? [String(one)] : []));
}
