import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { errorFrom, TerminalError } from '#platform/errors.ts';
import { rowFacts, type RowFacts } from '#questions/row-facts.ts';
import { goldProblem, scorersOfGold } from '#rewards/gold-problem.ts';
import { isSettableScorer, scorerNames } from '#rewards/scorer-catalogue.ts';
import { suggest } from '#platform/runtime/suggest.ts';
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
  item.scorers.forEach(({ name, settingsJson }, at) => {
    if (!builtIn.has(name) && !custom.has(name)) {
      const known = [...scorerNames, ...custom.keys()];
      const meant = suggest(name, known);
      const help = meant === undefined ? `known: ${known.join(', ')}` : `did you mean ${meant}?`;
      throw invalid(`scorers[${at}].name: unknown scorer ${JSON.stringify(name)}; ${help}`);
    }
    if (seen.has(name)) {
      throw invalid(`scorers[${at}].name: ${name} is listed twice; name it once`);
    }
    seen.add(name);
    let scorer: CompiledScorer | undefined;
    try {
      scorer = checkSettings(name, settingsJson, custom);
    } catch (thrown) {
      throw invalid(`scorers[${at}].settings_json: ${errorFrom(thrown).message}`);
    }
    if (scorer === undefined) return;
    settings.set(name, scorer);
    if (scorer.needsTokens && item.tokens === undefined) {
      throw invalid(`tokens: missing, and ${name} counts them; send the token counts, or leave ${name} out`);
    }
  });
  const gold = checkRow(item, invalid);
  for (const name of scorersOfGold(item.scorers, Object.keys(item.given).length > 0)) {
    const problem = goldProblem(name, gold, settings.get(name)?.dayFirst);
    if (problem !== undefined) throw invalid(`row.gold.${problem.field}: ${problem.message}`);
  }
}

function checkRow({ row }: ScoreItem, invalid: (problem: string) => TerminalError): RowFacts {
  try {
    return rowFacts(row);
  } catch (thrown) {
    throw invalid(errorFrom(thrown).message);
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

/** Names the item: `items[2] (id "a1")`. */
export function itemPlace({ id }: Pick<ScoreItem, 'id'>, index: number): string {
  return `items[${index}]${id === '' ? '' : ` (id ${JSON.stringify(id)})`}`;
}

/** INVALID_ARGUMENT that names the item. */
export function invalidItem(item: Pick<ScoreItem, 'id'>, index: number, problem: string): TerminalError {
  return new TerminalError('invalid_argument', `${itemPlace(item, index)}: ${problem}`);
}
