import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { normalizeAnswer } from '#shared/answer/normalize-answer.ts';
import { TerminalError } from '#shared/errors.ts';
import { scorers } from './scorers/registry.ts';

/** Throws INVALID_ARGUMENT naming item, field, value and fix; a bad gold answer must never become a free point. */
export function checkItem(item: ScoreItem, index: number): void {
  const where = `items[${index}]${item.id === '' ? '' : ` (id ${JSON.stringify(item.id)})`}`;
  if (item.answers.length === 0) {
    throw invalid(where, 'answers: empty; give the gold answer and its aliases');
  }
  item.answers.forEach((answer, at) => {
    if (normalizeAnswer(answer) !== '') return;
    throw invalid(
      where,
      `answers[${at}]: ${JSON.stringify(answer.slice(0, 80))} normalises to nothing (only articles, ASCII punctuation or ` +
        'white space), so an empty prediction would win; remove it from the data',
    );
  });
  const seen = new Set<string>();
  item.rewards.forEach(({ name, weight }, at) => {
    if (!scorers.has(name)) {
      throw invalid(
        where,
        `rewards[${at}].name: unknown scorer ${JSON.stringify(name)}; known: ${[...scorers.keys()].join(', ')}`,
      );
    }
    if (!Number.isFinite(weight) || weight < 0) {
      throw invalid(where, `rewards[${at}].weight: ${weight} for ${name}; expected a finite number >= 0`);
    }
    if (seen.has(name)) {
      throw invalid(where, `rewards[${at}].name: ${name} is listed twice; add the weights up`);
    }
    seen.add(name);
  });
}

function invalid(where: string, problem: string): TerminalError {
  return new TerminalError('invalid_argument', `${where}: ${problem}`);
}
