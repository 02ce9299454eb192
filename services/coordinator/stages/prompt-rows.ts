import type { Row } from '#proto/rollout/v1/task_pb.ts';
import { readRecords } from '#platform/records/read-records.ts';
import { questionFormatOf, type QuestionFormat, type PlainRow } from '#questions/question-row.ts';
import { checkedQuestion, readQuestions } from '#questions/read-questions.ts';
import { TerminalError } from '#platform/errors.ts';
import { filesOfStage, type ResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { rowNeeds } from '#recipe/row-needs.ts';
import type { Recipe, StageRecipe } from '#recipe/schema.ts';
import type { ArtefactRow } from '#stages/kit/artefacts.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import type { TrainingStage } from '#stages/kit/training-fields.ts';
import { takeArtefact } from './artefacts.ts';
import type { RunContext, RunRows } from '../run-context.ts';

/**
 * The rows of a run, each looked at by what the environment and the scorers of all stages need: what they cannot read is refused here, by file and
 * row, not after an hour of generating.
 */
export async function readRunRows(resolved: ResolvedRecipe): Promise<RunRows> {
  const { recipe, paths } = resolved;
  const format = questionFormatOf(recipe.data);
  const rows = {
    train: await readAllRows(paths.train, format, recipe),
    heldOut: await readAllRows(paths.held_out, format, recipe),
    own: await rowsOfStages(resolved),
  };
  checkRows(recipe, rows);
  return rows;
}

async function readAllRows(path: string, format: QuestionFormat, recipe: Recipe): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of readQuestions(path, format, rowNeeds(recipe))) rows.push(row);
  return rows;
}

/** Rows of files that stages have of their own, by stage. */
async function rowsOfStages({ recipe, paths }: ResolvedRecipe): Promise<ReadonlyMap<string, readonly Row[]>> {
  const own = new Map<string, readonly Row[]>();
  for (const stage of recipe.stages) {
    const named = kindOf(stage).ownRows?.(stage);
    if (named === undefined || !('file' in named)) continue;
    const path = filesOfStage(paths, stage.name)[named.file];
    if (path === undefined)
      throw new TerminalError('internal', `stage ${stage.name} has no path of file ${named.file}`);
    own.set(stage.name, await readAllRows(path, 'plain', recipe));
  }
  return own;
}

/** What stages ask of their rows is refused now, all of it at once, not when the run has come to them. Rows that an earlier stage makes are not there yet. */
function checkRows(recipe: Recipe, { train, own }: RunRows): void {
  const problems = recipe.stages.flatMap((stage) => {
    const kind = kindOf(stage);
    const named = kind.ownRows?.(stage);
    if (named !== undefined && 'stage' in named) return [];
    return kind.checkRows?.(stage, own.get(stage.name) ?? train) ?? [];
  });
  if (problems.length > 0) throw new TerminalError('invalid_argument', problems.join('; '));
}

/** What a stage asks: rows that an earlier stage left, those of its own file, or the training rows. */
export async function promptRows(
  context: Pick<RunContext, 'recipe' | 'rows' | 'directory' | 'ledger'>,
  stage: StageRecipe | TrainingStage,
): Promise<readonly Row[]> {
  const own = kindOf(stage).ownRows?.(stage);
  if (own !== undefined && 'stage' in own)
    return leftRows(await takeArtefact(context, own.stage, 'rows'), context.recipe);
  return context.rows.own.get(stage.name) ?? context.rows.train;
}

/** Rows that a stage of this run left: their form is ours, and their tags may hold what a file's may not, such as a pass rate of 0.5. */
async function leftRows(path: string, recipe: Recipe): Promise<Row[]> {
  const needs = rowNeeds(recipe);
  const rows: Row[] = [];
  for await (const { value, place } of readRecords(path)) {
    // Its digest is that of what `leaveRows` wrote.
    const row = value as ArtefactRow & PlainRow;
    rows.push(checkedQuestion({ row: { ...row, paragraphs: [] }, place }, needs));
  }
  return rows;
}
