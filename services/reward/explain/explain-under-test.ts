import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ScoreItemSchema, type TurnSchema } from '#proto/reward/v1/reward_pb.ts';
import { explainItem } from './explain-item.ts';
import { goldItem } from '../../../tests/fixtures/gold-item.ts';

export type TurnInit = MessageInitShape<typeof TurnSchema>;
type ExplainedInit = Parameters<typeof goldItem>[0];
export type ItemInit = Omit<ExplainedInit, 'scorers'>;

export const answer = (text: string): TurnInit => ({
  text: `<answer>${text}</answer>`,
  action: { case: 'answer', value: { text } },
});
export const call = (name: string, pageTitles: string[], error = ''): TurnInit => ({
  text: `<tool>{"name":"${name}"}</tool>`,
  action: {
    case: 'toolCall',
    value: { name, succeeded: error === '', error, factsJson: JSON.stringify({ page_titles: pageTitles }) },
  },
});
export const violation = (code: string, text = ''): TurnInit => ({
  text,
  action: { case: 'violation', value: { code, wasCall: callCodes.has(code) } },
});

const callCodes = new Set(['broken_json', 'unknown_tool', 'bad_arguments']);

/** An item and its explanation. */
export function explainInit(init: ExplainedInit) {
  const item = create(ScoreItemSchema, goldItem(init));
  const { components = [], detectors = [] } = explainItem(item);
  return { item, components, detectors };
}

/** Reasons of one scorer on an episode of these turns; the gold answer is Paris. */
export function reasonsOf(
  name: string,
  turns: TurnInit[],
  item: ItemInit = {},
  settings: object = {},
): readonly string[] {
  const settingsJson = Object.keys(settings).length === 0 ? '' : JSON.stringify(settings);
  const scorers = [{ name, settingsJson }];
  const { components } = explainInit({ answers: ['Paris'], turns, ...item, scorers });
  return components.find((component) => component.name === name)?.reasons ?? [];
}
