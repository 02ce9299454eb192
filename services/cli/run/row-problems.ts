import type { Recipe } from '#recipe/schema.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import type { StageRow } from '#stages/kit/stage-kind.ts';

/** Why stages cannot ask the training rows as they say; those with rows of their own look at them with their files. */
export function rowProblems({ stages }: Pick<Recipe, 'stages'>, rows: readonly StageRow[]): string[] {
  return stages.flatMap((stage) => {
    const kind = kindOf(stage);
    return kind.ownRows?.(stage) === undefined ? [...(kind.checkRows?.(stage, rows) ?? [])] : [];
  });
}
