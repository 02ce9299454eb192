import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ScoreRequest, ScoreResponseSchema } from '#proto/reward/v1/reward_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import { checkItem } from '../check-item.ts';
import type { RewardEvents } from '../events.ts';
import { scoreItem } from '../score-item.ts';

export const maxItems = 1024;

/** One score per item, in the order asked; nothing is scored unless every item is sound. */
export function score(events: RewardEvents, { items }: ScoreRequest): MessageInitShape<typeof ScoreResponseSchema> {
  if (items.length === 0 || items.length > maxItems) {
    throw new TerminalError('invalid_argument', `items: found ${items.length}; give 1 to ${maxItems} of them`);
  }
  items.forEach(checkItem);
  const started = performance.now();
  const scores = items.map(scoreItem);
  events.scored(scores, performance.now() - started);
  return { scores };
}
