import { TerminalError } from '#platform/errors.ts';
import { readRows } from '#questions/read-rows.ts';
import { samplingOf } from './sampling/index.ts';
import { shownValues, tagNames, type SampledRow } from './sampling/prompt-sampling.ts';
import type { RlStage } from './schema.ts';

type Asking = Pick<RlStage, 'name' | 'prompts'>;

/** The rows that a stage may ask. */
export function promptPool<Row extends SampledRow>(stage: Asking, rows: readonly Row[]): readonly Row[] {
  const pool = allowed(stage, rows);
  const problems = poolProblems(stage, rows);
  if (problems.length > 0) throw new TerminalError('invalid_argument', problems.join('; '));
  return pool;
}

/** Rows of a file in the plain form, each looked at by its form alone. */
export async function taggedRows(path: string): Promise<readonly SampledRow[]> {
  const rows: SampledRow[] = [];
  for await (const { row } of readRows(path, { format: 'plain' })) rows.push({ id: row.id, tags: row.tags });
  return rows;
}

/** Why the stage cannot ask any of these rows as it says, by field. */
export function poolProblems(stage: Asking, rows: readonly SampledRow[]): readonly string[] {
  const { where, sampling } = stage.prompts;
  const pool = allowed(stage, rows);
  if (pool.length === 0)
    return [
      `stage ${stage.name}: prompts.where ${JSON.stringify(where)} leaves none of the ${rows.length} rows${tagsOf(stage, rows)}`,
    ];
  const problems = samplingOf(sampling)?.problems(pool) ?? [];
  return problems.map((problem) => `stage ${stage.name}: prompts.sampling.${problem}`);
}

function allowed<Row extends SampledRow>({ prompts }: Asking, rows: readonly Row[]): readonly Row[] {
  const where = Object.entries(prompts.where).map(([tag, values]) => [tag, matches(values)] as const);
  return rows.filter(({ tags }) => where.every(([tag, holds]) => tags[tag] !== undefined && holds(tags[tag])));
}

function matches(wanted: Asking['prompts']['where'][string]): (value: string) => boolean {
  if (Array.isArray(wanted)) {
    const values = wanted.map(String);
    return (value) => values.includes(value);
  }
  const { at_least: least = -Infinity, at_most: most = Infinity } = wanted;
  return (value) => value.trim() !== '' && Number(value) >= least && Number(value) <= most;
}

/** What the tags that `where` names have, so that a slip of the pen is seen. */
function tagsOf({ prompts }: Asking, rows: readonly SampledRow[]): string {
  return Object.keys(prompts.where)
    .map((tag) => {
      const values = [...new Set(rows.flatMap(({ tags }) => tags[tag] ?? []))].toSorted();
      const more = values.length > shownValues ? ', …' : '';
      return values.length === 0
        ? `; no row has a tag ${tag}: ${tagNames(rows)}`
        : `; ${tag} is ${values.slice(0, shownValues).join(', ')}${more}`;
    })
    .join('');
}
