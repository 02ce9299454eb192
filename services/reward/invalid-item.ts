import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { TerminalError } from '#platform/errors.ts';

/** Names the item: `items[2] (id "a1")`. */
export function itemPlace({ id }: Pick<ScoreItem, 'id'>, index: number): string {
  return `items[${index}]${id === '' ? '' : ` (id ${JSON.stringify(id)})`}`;
}

/** INVALID_ARGUMENT that names the item. */
export function invalidItem(item: Pick<ScoreItem, 'id'>, index: number, problem: string): TerminalError {
  return new TerminalError('invalid_argument', `${itemPlace(item, index)}: ${problem}`);
}
