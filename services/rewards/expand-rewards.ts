import { isSettableScorer, scorerNames } from './scorer-catalogue.ts';
import { isPresetName, presets } from './presets.ts';

/**
 * The `rewards` of every stage with its preset written out and `numeric: 1` as `numeric: { weight: 1 }`, declared scorers
 * alike, before the schema sees them. What a run keeps is then explicit: a preset that changes later does not change an old run. Anything that is
 * not as expected is left to the schema's errors. Doing it twice changes nothing.
 */
export function expandRewards(recipe: unknown): unknown {
  if (!isObject(recipe) || !Array.isArray(recipe['stages'])) return recipe;
  const stages: unknown[] = recipe['stages'];
  const declared = isObject(recipe['scorers']) ? Object.keys(recipe['scorers']) : [];
  const settable = new Set(declared.filter((name) => !scorerNames.includes(name)));
  return { ...recipe, stages: stages.map((stage) => expandStage(stage, settable)) };
}

function expandStage(stage: unknown, declared: ReadonlySet<string>): unknown {
  if (!isObject(stage) || !isObject(stage['rewards'])) return stage;
  const { rewards } = stage;
  const preset = isPresetName(rewards['preset']) ? presets[rewards['preset']] : {};
  return {
    ...stage,
    rewards: Object.fromEntries(
      Object.entries({ ...preset, ...rewards }).map(([name, value]) => [
        name,
        typeof value === 'number' && (isSettableScorer(name) || declared.has(name)) ? { weight: value } : value,
      ]),
    ),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
