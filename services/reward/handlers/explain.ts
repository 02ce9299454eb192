import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ExplainRequest, ExplainResponseSchema } from '#proto/reward/v1/reward_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import { composeTotal, type CompositionStep } from '#shared/rewards/compose.ts';
import { describeStep } from '#shared/rewards/describe-step.ts';
import { checkComposition } from '../check-composition.ts';
import { checkItem } from '../check-item.ts';
import { scoreItem } from '../score-item.ts';

/** How the numbers of one item come about. Asks nobody: what a judge gave is absent here. */
export function explain({ item }: ExplainRequest): MessageInitShape<typeof ExplainResponseSchema> {
  if (item === undefined) throw new TerminalError('invalid_argument', 'item: missing; give the item as it was scored');
  checkItem(item, 0);
  checkComposition(item, 0);
  const { components } = scoreItem(item);
  const weighted = [...item.rewards, ...item.judged];
  const weights = new Map(weighted.map(({ name, weight }) => [name, weight]));
  const steps: CompositionStep[] = [];
  const total = composeTotal(
    weighted,
    item.composition,
    (name) => components[name],
    (step) => steps.push(step),
  );
  return {
    components: [...new Set([...Object.keys(components), ...weights.keys()])].map((name) => ({
      name,
      weight: weights.get(name) ?? 0,
      ...(components[name] !== undefined && { value: components[name] }),
    })),
    steps: steps.map((step) => ({ ...describeStep(step), ...(!Number.isNaN(step.after) && { value: step.after }) })),
    ...(!Number.isNaN(total) && { total }),
  };
}
