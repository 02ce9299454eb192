import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ScoreItemSchema, type TurnSchema } from '#proto/reward/v1/reward_pb.ts';
import { explainItem } from './explain-item.ts';

export type TurnInit = MessageInitShape<typeof TurnSchema>;
export type ItemInit = Omit<Exclude<MessageInitShape<typeof ScoreItemSchema>, { $typeName: string }>, 'rewards'>;

export const answer = (text: string): TurnInit => ({
  text: `<answer>${text}</answer>`,
  action: { case: 'answer', value: { text } },
});
export const call = (name: string, pageTitles: string[], error = ''): TurnInit => ({
  text: `<tool>{"name":"${name}"}</tool>`,
  action: { case: 'toolCall', value: { name, succeeded: error === '', error, pageTitles } },
});
export const violation = (code: string, text = ''): TurnInit => ({
  text,
  action: { case: 'violation', value: { code } },
});

/** An item and its explanation. */
export function explainInit(init: MessageInitShape<typeof ScoreItemSchema>) {
  const item = create(ScoreItemSchema, init);
  const { components = [], detectors = [], steps = [], total } = explainItem(item);
  return { item, components, detectors, steps, total };
}

/** Reasons of one scorer on an episode of these turns; the gold answer is Paris. */
export function reasonsOf(
  name: string,
  turns: TurnInit[],
  item: ItemInit = {},
  settings: object = {},
): readonly string[] {
  const settingsJson = Object.keys(settings).length === 0 ? '' : JSON.stringify(settings);
  const rewards = [{ name, weight: 1, settingsJson }];
  const { components } = explainInit({ answers: ['Paris'], turns, ...item, rewards });
  return components.find((component) => component.name === name)?.reasons ?? [];
}
