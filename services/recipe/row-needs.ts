import type { z } from 'zod';
import { environmentNamed } from '#environments/registry.ts';
import { rolloutStages } from '#stages/kit/rollout-stages.ts';
import type { RowNeeds } from '#questions/read-questions.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { needsRetrieval, ownRewards } from './environment-part.ts';
import type { Recipe } from './schema.ts';
import { taskScorers } from './stage-scorers.ts';

/** What rows of the recipe's data have to hold. */
export function rowNeeds(recipe: Pick<Recipe, 'environment' | 'stages' | 'scorers'>): RowNeeds {
  const { name, options } = recipe.environment;
  const { row, columns } = environmentNamed(name);
  return {
    stages: rolloutStages(recipe).map((stage) => ({
      name: stage.name,
      scorers: taskScorers(recipe, stage),
      dayFirst: stage.rewards.date?.day_first,
    })),
    row: { ...row, data: withColumns(row.data, columns?.(options) ?? []) },
    selfScored: ownRewards(recipe).length > 0,
    isSearched: needsRetrieval(recipe),
  };
}

function withColumns(data: z.ZodType, columns: readonly string[]): z.ZodType {
  if (columns.length === 0) return data;
  return data.superRefine((value, context) => {
    const there = Object.keys(Object(value));
    for (const column of columns) {
      if (there.includes(column)) continue;
      const meant = suggest(column, there);
      const help = meant === undefined ? `the row has ${there.join(', ') || 'none'}` : `did you mean ${meant}?`;
      context.addIssue({
        code: 'custom',
        input: undefined,
        path: [column],
        message: `is a column that environment.options read; ${help}`,
      });
    }
  });
}
