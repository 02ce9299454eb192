import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { detectorNames } from '#shared/rewards/detector-names.ts';
import { coreScorers } from '#shared/rewards/scorer-catalogue.ts';
import { suggest } from '#shared/runtime/suggest.ts';
import { invalidItem } from './invalid-item.ts';

const mostOfEach = 16;
/** With it no sum overflows. */
const largest = 1e6;

type Composition = NonNullable<ScoreItem['composition']>;

/** Throws INVALID_ARGUMENT naming item, field, value and fix, when the item's composition cannot be computed. */
export function checkComposition(item: ScoreItem, index: number): void {
  const { composition } = item;
  if (composition === undefined) return;
  const problem = problemOf(item, composition);
  if (problem !== undefined) throw invalidItem(item, index, `composition.${problem}`);
}

function problemOf(item: ScoreItem, composition: Composition): string | undefined {
  const { normalize, penalties, gates, clipLow, clipHigh } = composition;
  const weights = [...item.rewards, ...item.judged].reduce((sum, { weight }) => sum + weight, 0);
  if (normalize && !(weights > 0 && Number.isFinite(weights))) {
    return `normalize: the weights add up to ${weights}; give one at least that is positive, or leave normalize out`;
  }
  if (penalties.length > mostOfEach) return `penalties: found ${penalties.length}; give at most ${mostOfEach}`;
  if (gates.length > mostOfEach) return `gates: found ${gates.length}; give at most ${mostOfEach}`;
  const known = new Set([
    ...coreScorers,
    ...item.rewards.map(({ name }) => name),
    ...item.judged.map(({ name }) => name),
    ...detectorNames,
  ]);
  return (
    penaltyProblem(penalties, known) ??
    gateProblem(gates, known) ??
    (clipLow === undefined ? undefined : numberProblem('clip_low', clipLow)) ??
    (clipHigh === undefined ? undefined : numberProblem('clip_high', clipHigh)) ??
    ((clipLow ?? -Infinity) <= (clipHigh ?? Infinity)
      ? undefined
      : `clip_low: ${clipLow} is more than clip_high ${clipHigh}; swap them`)
  );
}

function penaltyProblem(penalties: Composition['penalties'], known: ReadonlySet<string>): string | undefined {
  const seen = new Set<string>();
  for (const [at, { name, size }] of penalties.entries()) {
    const field = `penalties[${at}]`;
    if (seen.has(name)) return `${field}.name: ${name} is listed twice; add the sizes up`;
    seen.add(name);
    const problem = nameProblem(`${field}.name`, name, known);
    if (problem !== undefined) return problem;
    if (!(size > 0 && size <= largest)) {
      return `${field}.size: ${size} for ${name}; expected a number > 0 and at most ${largest}`;
    }
  }
  return undefined;
}

function gateProblem(gates: Composition['gates'], known: ReadonlySet<string>): string | undefined {
  for (const [at, { name, atLeast, atMost, otherwise }] of gates.entries()) {
    const field = `gates[${at}]`;
    const problem =
      nameProblem(`${field}.name`, name, known) ??
      (atLeast === undefined ? undefined : numberProblem(`${field}.at_least`, atLeast)) ??
      (atMost === undefined ? undefined : numberProblem(`${field}.at_most`, atMost)) ??
      numberProblem(`${field}.otherwise`, otherwise);
    if (problem !== undefined) return problem;
    if (atLeast === undefined && atMost === undefined) {
      return `${field}: no bound for ${name}; give at_least, at_most or both`;
    }
    if ((atLeast ?? -Infinity) > (atMost ?? Infinity)) {
      return `${field}.at_least: ${atLeast} is more than at_most ${atMost}; swap them`;
    }
  }
  return undefined;
}

function nameProblem(field: string, name: string, known: ReadonlySet<string>): string | undefined {
  if (known.has(name)) return undefined;
  const meant = suggest(name.slice(0, 80), known);
  const help = meant === undefined ? `known here: ${[...known].join(', ')}` : `did you mean ${meant}?`;
  return `${field}: ${JSON.stringify(name.slice(0, 80))} is no component of the item and no detector; ${help}`;
}

function numberProblem(field: string, value: number): string | undefined {
  return Math.abs(value) <= largest
    ? undefined
    : `${field}: ${value}; expected a number within -${largest} .. ${largest}`;
}
