import type { Recipe } from '#recipe/schema.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import { isCustom, isGroupwise } from '#recipe/stage-scorers.ts';

/** What the declared scorers of a recipe are and whom they ask, a line each, for people. */
export function describeScorers({ judges, scorers }: Pick<Recipe, 'judges' | 'scorers'>): string[] {
  return Object.entries(scorers ?? {}).map(([name, scorer]) => {
    if (isCustom(scorer)) return `${name}: ${scorer.kind}, ${scorer.kind === 'http' ? scorer.url : scorer.path}`;
    const judge = judges?.[scorer.judge];
    const who = judge === undefined ? scorer.judge : `${scorer.judge} (${judge.model} at ${judge.base_url})`;
    const how = scorer.kind === 'pairwise' ? ` ${scorer.schedule}` : '';
    const when = isGroupwise(scorer) ? ', when a group has settled; not in evaluations' : '';
    return `${name}: ${scorer.kind}${how}, judge ${who}${when}`;
  });
}

/** The composition of a stage in the order in which it is computed; undefined for the weighted sum alone. */
export function describeComposition({ composition }: Pick<RolloutStage, 'composition'>): string | undefined {
  if (composition === undefined) return undefined;
  const { normalize, penalties, gates, clip, overlong } = composition;
  const parts = [
    normalize ? 'sum / weights' : 'sum',
    ...Object.entries(penalties).map(([name, size]) => `less ${size} x ${name}`),
    ...gates.map(({ name, at_least: least, at_most: most, otherwise }) => {
      const bounds = [
        ...(least === undefined ? [] : [`${name} >= ${least}`]),
        ...(most === undefined ? [] : [`${name} <= ${most}`]),
      ];
      return `${otherwise} unless ${bounds.join(' and ')}`;
    }),
    ...(clip?.low === undefined ? [] : [`at least ${clip.low}`]),
    ...(clip?.high === undefined ? [] : [`at most ${clip.high}`]),
    ...(overlong === undefined ? [] : [`less up to ${overlong.factor} for the last ${overlong.buffer_tokens} tokens`]),
  ];
  return parts.join(', ');
}
