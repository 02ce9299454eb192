import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { TerminalError, errorFrom } from '#shared/errors.ts';
import { goldProblem, scorersOfGold } from '#shared/rewards/gold-problem.ts';
import { isSettableScorer, scorerNames } from '#shared/rewards/scorer-catalogue.ts';
import { suggest } from '#shared/runtime/suggest.ts';
import { compileScorer, type CompiledScorer } from './scorers/compile-scorer.ts';

const known: ReadonlySet<string> = new Set(scorerNames);
const longestSettings = 4096;

/** Throws INVALID_ARGUMENT naming item, field, value and fix; a bad gold answer must never become a free point. */
export function checkItem(item: ScoreItem, index: number): void {
  const where = `items[${index}]${item.id === '' ? '' : ` (id ${JSON.stringify(item.id)})`}`;
  const settings = new Map<string, CompiledScorer>();
  const seen = new Set<string>();
  item.rewards.forEach(({ name, weight, settingsJson }, at) => {
    if (!known.has(name)) {
      const meant = suggest(name, known);
      const help = meant === undefined ? `known: ${scorerNames.join(', ')}` : `did you mean ${meant}?`;
      throw invalid(where, `rewards[${at}].name: unknown scorer ${JSON.stringify(name)}; ${help}`);
    }
    if (!Number.isFinite(weight) || weight < 0) {
      throw invalid(where, `rewards[${at}].weight: ${weight} for ${name}; expected a finite number >= 0`);
    }
    if (seen.has(name)) {
      throw invalid(where, `rewards[${at}].name: ${name} is listed twice; add the weights up`);
    }
    seen.add(name);
    const scorer = checkSettings(`${where}: rewards[${at}].settings_json`, name, settingsJson);
    if (scorer === undefined) return;
    settings.set(name, scorer);
    if (scorer.needsTokens && item.tokens === undefined) {
      throw invalid(where, `tokens: missing, and ${name} counts them; send the token counts, or leave ${name} out`);
    }
  });
  for (const name of scorersOfGold(item.rewards)) {
    const problem = goldProblem(name, item, settings.get(name)?.dayFirst);
    if (problem !== undefined) throw invalid(where, `${problem.field}: ${problem.message}`);
  }
}

function checkSettings(where: string, name: string, settingsJson: string): CompiledScorer | undefined {
  if (!isSettableScorer(name)) {
    if (settingsJson === '') return undefined;
    throw invalid(where, `${name} has no settings; leave it empty`);
  }
  if (settingsJson.length > longestSettings) {
    throw invalid(where, `${settingsJson.length} characters; at most ${longestSettings}`);
  }
  try {
    return compileScorer(name, settingsJson);
  } catch (thrown) {
    throw invalid(where, errorFrom(thrown).message);
  }
}

function invalid(where: string, problem: string): TerminalError {
  return new TerminalError('invalid_argument', `${where}: ${problem}`);
}
