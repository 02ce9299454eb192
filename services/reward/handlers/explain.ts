import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ExplainRequest, ExplainResponseSchema } from '#proto/reward/v1/reward_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { checkItem } from '../check-item.ts';
import { isCustom } from '../explain/asked.ts';
import { explainItem } from '../explain/explain-item.ts';

/**
 * How the numbers of one item come about. Asks nobody: what a judge or a custom scorer gave is absent here. Names that are not
 * built in are taken for custom scorers, whether the config of this service has them or not: the item was scored elsewhere.
 */
export function explain({ item }: ExplainRequest): MessageInitShape<typeof ExplainResponseSchema> {
  if (item === undefined) throw new TerminalError('invalid_argument', 'item: missing; give the item as it was scored');
  checkItem(item, 0, { has: isCustom, keys: () => [] });
  return explainItem(item);
}
