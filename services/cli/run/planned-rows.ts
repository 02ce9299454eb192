import { trainingQuestions } from '#environments/search/world/write-world.ts';
import type { MuSiqueRow } from '#questions/musique/musique-row.ts';
import { checkedMusique, readQuestions } from '#questions/read-questions.ts';
import type { Recipe } from '#recipe/schema.ts';
import { rowNeeds } from '#recipe/row-needs.ts';
import type { RowCounts, StageRow } from '#stages/kit/stage-kind.ts';
import { readMusiqueSplit } from '#questions/musique/write-split.ts';
import { countRows } from '../data/write-rows.ts';
import { rowChecks } from './prepare-inputs.ts';
import { kindOf } from '#stages/kit/kinds.ts';

export interface PlannedRows {
  readonly train: readonly StageRow[];
  readonly counts: RowCounts;
}

/**
 * What a run would train on, read and checked as the run does it; writes nothing. `data` has the places of files, which are there. `report` gets
 * what is left unread. Throws TerminalError that begins with file and line at the first row that cannot be used.
 */
export async function plannedRows(
  recipe: Recipe,
  { world, musique, files, rows }: Recipe['data'],
  report: (note: string) => void,
): Promise<PlannedRows> {
  const needs = rowNeeds(recipe);
  const checked = (found: readonly MuSiqueRow[], place: string): StageRow[] =>
    found.map((row) => checkedMusique(row, place, needs));
  if (world !== undefined) {
    const { seed, train, held_out: heldOut } = world;
    const made = trainingQuestions({ seed, train, heldOut });
    return { train: checked(made, 'data.world'), counts: { train, heldOut } };
  }
  if (musique !== undefined) {
    const split = await readMusiqueSplit(musique);
    const train = checked(split.train, musique.questions);
    const heldOut = checked(split.heldOut, musique.questions);
    return { train, counts: { train: train.length, heldOut: heldOut.length } };
  }
  if (rows !== undefined) {
    const { check, ...checks } = rowChecks(needs, report);
    const train: StageRow[] = [];
    const counts = await countRows(rows, {
      ...checks,
      check(placed) {
        check(placed);
        if (placed.place.startsWith(`${rows.train}:`)) train.push(placed.row);
      },
    });
    return { train, counts };
  }
  const train: StageRow[] = [];
  let heldOut = 0;
  if (files !== undefined) {
    for await (const row of readQuestions(files.train, 'musique', needs)) train.push(row);
    for await (const _ of readQuestions(files.held_out, 'musique', needs)) heldOut += 1;
  }
  return { train, counts: { train: train.length, heldOut } };
}

/** Why stages cannot ask the training rows as they say; those with rows of their own look at them with their files. */
export function rowProblems({ stages }: Pick<Recipe, 'stages'>, rows: readonly StageRow[]): string[] {
  return stages.flatMap((stage) => {
    const kind = kindOf(stage);
    return kind.ownRows?.(stage) === undefined ? [...(kind.checkRows?.(stage, rows) ?? [])] : [];
  });
}
