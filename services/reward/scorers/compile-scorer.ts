import type { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { settableScorers, type SettableScorer, type SettingsOf } from '#rewards/scorer-catalogue.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { settableScorerFunctions } from './registry.ts';
import type { Episode, Scorer } from './scorer.ts';

/** A run has a handful of settings; a caller that sends new ones with every item only pays for parsing them. */
const most = 256;
const compiled = new Map<string, CompiledScorer>();

export interface CompiledScorer {
  readonly score: Scorer;
  readonly settings: SettingsOf<SettableScorer>;
  /** Setting of the date scorer that decides which gold dates can be read. */
  readonly dayFirst: boolean | undefined;
  readonly needsTokens: boolean;
}

/**
 * The scorer with its settings, from the JSON that a task carries; empty is the defaults. Throws INVALID_ARGUMENT that names
 * the setting, with a suggestion for an unknown one.
 */
export function compileScorer(name: SettableScorer, settingsJson: string): CompiledScorer {
  const key = `${name} ${settingsJson}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const scorer = compile(name, settingsJson);
  if (compiled.size >= most) compiled.clear();
  compiled.set(key, scorer);
  return scorer;
}

function compile(name: SettableScorer, settingsJson: string): CompiledScorer {
  const parsed = settableScorers[name].settings.safeParse({ ...objectOfSettings(name, settingsJson), weight: 0 });
  if (!parsed.success) throw invalid(settingProblem(name, parsed.error.issues));
  const { data } = parsed;
  // The registry pairs each name with the function that takes what its schema gives; the compiler cannot follow the pair.
  const score = settableScorerFunctions[name] as (episode: Episode, settings: typeof data) => number;
  return {
    score: (episode) => score(episode, data),
    settings: data,
    dayFirst: 'day_first' in data && typeof data.day_first === 'boolean' ? data.day_first : undefined,
    needsTokens: name === 'length_budget',
  };
}

/** The object that a task carries as JSON; empty is none. Throws INVALID_ARGUMENT for anything else. */
export function objectOfSettings(name: string, settingsJson: string): object {
  if (settingsJson === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(settingsJson);
  } catch (cause) {
    throw new TerminalError('invalid_argument', `settings_json of ${name}: not JSON; give one object`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`settings_json of ${name}: ${settingsJson.slice(0, 80)}; give one object`);
  }
  return value;
}

function settingProblem(name: SettableScorer, issues: readonly z.core.$ZodIssue[]): string {
  return issues
    .map((issue) => {
      if (issue.code !== 'unrecognized_keys') {
        return `settings of ${name}: ${[...issue.path.map(String), issue.message].join(': ')}`;
      }
      const keys = Object.keys(settableScorers[name].settings.shape).filter((key) => key !== 'weight');
      return issue.keys
        .map((key) => {
          const meant = suggest(key, keys);
          const help =
            meant !== undefined
              ? `did you mean ${meant}?`
              : keys.length > 0
                ? `known: ${keys.join(', ')}`
                : 'it has none';
          return `settings of ${name}: unknown setting ${JSON.stringify(key)}; ${help}`;
        })
        .join('; ');
    })
    .join('; ');
}

function invalid(message: string): TerminalError {
  return new TerminalError('invalid_argument', message);
}
