import {
  Float32,
  Int32,
  RecordBatch,
  Struct,
  Table,
  Utf8,
  makeData,
  vectorFromArray,
  type Data,
  type FixedSizeList,
  type Schema,
} from 'apache-arrow';
import { passagesSchema, pagesSchema, vectorType } from './table-schemas.ts';

export interface PassageRow {
  readonly position: number;
  readonly id: string;
  readonly parentId: string;
  readonly title: string;
  readonly preview: string;
  readonly text: string;
  readonly terms: string;
}

export interface PageRow {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

/** Rows as one Arrow batch; `vectors` holds `dimensions` numbers a row, in the order of the rows. */
export function passageBatch(
  rows: readonly PassageRow[],
  vectors: Float32Array | undefined,
  dimensions: number | undefined,
): Table {
  const columns = [
    int32Data(rows.map(({ position }) => position)),
    utf8Data(rows.map(({ id }) => id)),
    utf8Data(rows.map(({ parentId }) => parentId)),
    utf8Data(rows.map(({ title }) => title)),
    utf8Data(rows.map(({ preview }) => preview)),
    utf8Data(rows.map(({ text }) => text)),
    utf8Data(rows.map(({ terms }) => terms)),
  ];
  if (vectors !== undefined && dimensions !== undefined) columns.push(vectorData(rows.length, vectors, dimensions));
  return tableOf(passagesSchema(dimensions), rows.length, columns);
}

export function pageBatch(rows: readonly PageRow[]): Table {
  const columns = [
    utf8Data(rows.map(({ id }) => id)),
    utf8Data(rows.map(({ title }) => title)),
    utf8Data(rows.map(({ text }) => text)),
  ];
  return tableOf(pagesSchema(), rows.length, columns);
}

function tableOf(schema: Schema, length: number, children: Data[]): Table {
  return new Table(schema, [
    new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children })),
  ]);
}

function utf8Data(values: readonly string[]): Data {
  // Half a surrogate pair has no UTF-8: the encoder writes U+FFFD for it.
  return firstOf(vectorFromArray(values, new Utf8()).data);
}

function int32Data(values: readonly number[]): Data {
  return makeData({ type: new Int32(), length: values.length, data: Int32Array.from(values) });
}

function vectorData(length: number, values: Float32Array, dimensions: number): Data {
  const child = makeData({ type: new Float32(), length: values.length, data: values });
  const type: FixedSizeList<Float32> = vectorType(dimensions);
  return makeData({ type, length, nullCount: 0, child });
}

function firstOf(chunks: readonly Data[]): Data {
  const [first] = chunks;
  if (first === undefined) throw new RangeError('an Arrow vector without data');
  return first;
}
