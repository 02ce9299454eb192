import { Field, FixedSizeList, Float32, Int32, Schema, Utf8 } from 'apache-arrow';

/** One row a build; the row with the greatest sequence is served. */
export const buildsTable = 'gradus_builds';

export function buildsSchema(): Schema {
  return new Schema([field('sequence', new Int32()), field('build', new Utf8()), field('manifest', new Utf8())]);
}

/**
 * What search finds. `terms` are the words of our analyzer, one space between two: indexed on white space alone, so that
 * a word is the same thing as in the local index. `position` is the passage's place in the corpus, which breaks ties.
 */
export function passagesSchema(dimensions: number | undefined): Schema {
  const fields = [
    field('position', new Int32()),
    field('id', new Utf8()),
    field('parent_id', new Utf8()),
    field('title', new Utf8()),
    field('preview', new Utf8()),
    field('text', new Utf8()),
    field('terms', new Utf8()),
  ];
  if (dimensions !== undefined) fields.push(field('vector', vectorType(dimensions)));
  return new Schema(fields);
}

/** Whole pages, where search finds chunks. */
export function pagesSchema(): Schema {
  return new Schema([field('id', new Utf8()), field('title', new Utf8()), field('text', new Utf8())]);
}

export function vectorType(dimensions: number): FixedSizeList<Float32> {
  return new FixedSizeList(dimensions, new Field('item', new Float32(), true));
}

function field(name: string, type: Utf8 | Int32 | FixedSizeList<Float32>): Field {
  return new Field(name, type, false);
}
