import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { errorFrom, type TerminalError } from '#shared/errors.ts';
import { goldProblem, scorersOfGold } from '#shared/rewards/gold-problem.ts';
import { isSettableScorer, scorerNames } from '#shared/rewards/scorer-catalogue.ts';
import { suggest } from '#shared/runtime/suggest.ts';
import { invalidItem } from './invalid-item.ts';
import { compileScorer, objectOfSettings, type CompiledScorer } from './scorers/compile-scorer.ts';

const builtIn: ReadonlySet<string> = new Set(scorerNames);
const longestSettings = 4096;

/** Names of the config's custom scorers. */
export interface CustomNames {
  has(name: string): boolean;
  keys(): Iterable<string>;
}

/**
 * Throws INVALID_ARGUMENT naming item, field, value and fix; a bad gold answer must never become a free point. Of the settings of a
 * custom scorer only that they are an object: the rest is for itself to say.
 */
export function checkItem(item: ScoreItem, index: number, custom: CustomNames): void {
  const invalid = (problem: string): TerminalError => invalidItem(item, index, problem);
  const settings = new Map<string, CompiledScorer>();
  const seen = new Set<string>();
  item.rewards.forEach(({ name, weight, settingsJson }, at) => {
    if (!builtIn.has(name) && !custom.has(name)) {
      const known = [...scorerNames, ...custom.keys()];
      const meant = suggest(name, known);
      const help = meant === undefined ? `known: ${known.join(', ')}` : `did you mean ${meant}?`;
      throw invalid(`rewards[${at}].name: unknown scorer ${JSON.stringify(name)}; ${help}`);
    }
    if (!Number.isFinite(weight) || weight < 0) {
      throw invalid(`rewards[${at}].weight: ${weight} for ${name}; expected a finite number >= 0`);
    }
    if (seen.has(name)) {
      throw invalid(`rewards[${at}].name: ${name} is listed twice; add the weights up`);
    }
    seen.add(name);
    let scorer: CompiledScorer | undefined;
    try {
      scorer = checkSettings(name, settingsJson, custom);
    } catch (thrown) {
      throw invalid(`rewards[${at}].settings_json: ${errorFrom(thrown).message}`);
    }
    if (scorer === undefined) return;
    settings.set(name, scorer);
    if (scorer.needsTokens && item.tokens === undefined) {
      throw invalid(`tokens: missing, and ${name} counts them; send the token counts, or leave ${name} out`);
    }
  });
  for (const name of scorersOfGold(item.rewards)) {
    const problem = goldProblem(name, item, settings.get(name)?.dayFirst);
    if (problem !== undefined) throw invalid(`${problem.field}: ${problem.message}`);
  }
}

/** Throws what is wrong with them. */
export function checkSettings(name: string, settingsJson: string, custom: CustomNames): CompiledScorer | undefined {
  if (settingsJson.length > longestSettings) {
    throw new RangeError(`${settingsJson.length} characters; at most ${longestSettings}`);
  }
  if (isSettableScorer(name)) return compileScorer(name, settingsJson);
  if (custom.has(name)) objectOfSettings(name, settingsJson);
  else if (settingsJson !== '') throw new TypeError(`${name} has no settings; leave it empty`);
  return undefined;
}
