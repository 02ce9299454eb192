import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { TerminalError } from '#shared/errors.ts';

/** Names the item: `items[2] (id "a1"): PROBLEM`. */
export function invalidItem({ id }: Pick<ScoreItem, 'id'>, index: number, problem: string): TerminalError {
  const where = `items[${index}]${id === '' ? '' : ` (id ${JSON.stringify(id)})`}`;
  return new TerminalError('invalid_argument', `${where}: ${problem}`);
}
