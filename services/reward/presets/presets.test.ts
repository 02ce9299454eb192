import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { ScoreItemSchema, TurnSchema, type Turn } from '#proto/reward/v1/reward_pb.ts';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { compose } from '#rewards/compose.ts';
import { expandRewards } from '#rewards/expand-rewards.ts';
import type { PresetName } from '#rewards/presets.ts';
import { rewardList } from '#rewards/reward-list.ts';
import { checkItem } from '../check-item.ts';
import { scoreItem } from '../score-item.ts';
import { goldItem } from '../../../tests/fixtures/gold-item.ts';

const search = (...titles: string[]): Turn =>
  create(TurnSchema, {
    text: '<tool>{"name": "websearch", "args": {"query": "x"}}</tool>',
    action: {
      case: 'toolCall',
      value: { name: 'websearch', succeeded: true, factsJson: JSON.stringify({ page_titles: titles }) },
    },
  });
const answer = (text: string): Turn =>
  create(TurnSchema, { text: `<answer>${text}</answer>`, action: { case: 'answer', value: { text } } });
const broken = (code = 'no_action'): Turn =>
  create(TurnSchema, { text: 'hm', action: { case: 'violation', value: { code } } });

/** The reward of an episode whose stage says `preset: NAME` and what stands next to it. */
function totalOf(
  preset: PresetName,
  turns: readonly Turn[],
  beside: object = {},
  answers = ['Paris'],
): number | undefined {
  const expanded = expandRewards({ stages: [{ rewards: { preset, ...beside } }] });
  const { rewards } = (expanded as { stages: { rewards: Record<string, unknown> }[] }).stages[0] ?? { rewards: {} };
  const item = create(
    ScoreItemSchema,
    goldItem({
      answers,
      turns: [...turns],
      supportTitles: ['Page of Paris'],
      scorers: rewardList(rewards).map(({ name, settingsJson, weight }) => ({
        name,
        settingsJson,
        recordedOnly: weight === 0,
      })),
    }),
  );
  checkItem(item, 0, new Map());
  const weights = rewardList(rewards).flatMap(({ name, weight }) => (weight > 0 ? [{ name, weight }] : []));
  return compose(create(CompositionSchema, { weights }), { ...scoreItem(item), modelTokens: 0 });
}

describe('search_r1', () => {
  test.each([
    ['the right answer', [search(), answer('the Paris')], 1],
    ['a wrong one', [search(), answer('Rome')], 0],
    ['a list with the right one in it', [answer('Paris or Rome')], 0],
    ['none', [search()], 0],
  ])('gives exact match for %s', (_, turns, total) => {
    expect(totalOf('search_r1', turns)).toBe(total);
  });
});

describe('search_r1_structure', () => {
  test.each([
    ['valid and right', [search(), answer('Paris')], 1],
    ['right after a broken turn', [broken(), answer('Paris')], 0.8],
    ['valid and wrong', [search(), answer('Rome')], 0.2],
    ['wrong after a broken turn', [broken(), answer('Rome')], 0.1],
    ['no answer', [search(), broken()], 0],
    ['nothing', [], 0],
  ])('has the published table: %s', (_, turns, total) => {
    expect(totalOf('search_r1_structure', turns)).toBe(total);
  });
});

describe('recall', () => {
  test.each([
    ['the right answer', [search(), answer('Paris')], 1],
    // 1 of 2 words right, 1 of 1 found.
    ['a part of it', [search(), answer('Paris France')], 2 / 3],
    ['a wrong answer in good form', [search(), answer('Rome')], 0.1],
    ['a right answer in bad form', [broken(), answer('Paris')], 0],
    ['no answer', [search()], 0],
  ])('gives F1, or the floor, for %s', (_, turns, total) => {
    expect(totalOf('recall', turns)).toBeCloseTo(total, 12);
  });

  test('takes yes and no as a whole', () => {
    expect(totalOf('recall', [answer('no one')], {}, ['no'])).toBe(0.1);
    expect(totalOf('recall', [answer('No.')], {}, ['no'])).toBe(1);
  });
});

describe('rl_factory', () => {
  // Published: right 1 + f/2, wrong f, none -.1 + f/2, with f = +-.1 for the answer tags and -.1 for more than 2 calls.
  test.each([
    ['right', [search(), answer('Paris')], 1.05],
    ['right after three calls', [search(), search(), search(), answer('Paris')], 1],
    ['wrong', [search(), answer('Rome')], 0.1],
    ['wrong after three calls', [search(), search(), search(), answer('Rome')], 0],
    ['none', [search()], -0.15],
    ['none after three calls', [search(), search(), search()], -0.2],
  ])('is the published value moved and scaled to 0..1: %s', (_, turns, published) => {
    expect(totalOf('rl_factory', turns)).toBeCloseTo((published + 0.2) / 1.25, 12);
  });
});

describe('rezero', () => {
  test.each([
    [1, 0.35],
    [2, 0.5],
    [3, 0.65],
    [4, 0.8],
    [5, 0.95],
    [6, 0.95],
    [0, 0],
  ])('pays for %d searches %d, next to format and exact match', (searches, retry) => {
    const turns = [...Array.from({ length: searches }, () => search()), answer('Paris')];
    expect(totalOf('rezero', turns)).toBeCloseTo(2 + retry, 12);
  });

  test('pays nothing for searching without an answer', () => {
    expect(totalOf('rezero', [search(), search()])).toBe(0);
  });

  test('pays for a result with the gold page, which needs no answer', () => {
    expect(totalOf('rezero', [search('Another', 'page of paris')])).toBe(1);
  });
});

describe('the public Jan code, its defects fixed', () => {
  test('has the weights of the three stages', () => {
    const turns = [search(), answer('Paris')];
    expect(totalOf('jan_nano_tools', turns)).toBe(2);
    expect(totalOf('jan_nano_answers', turns)).toBe(2);
    expect(totalOf('jan_nano_context', turns)).toBeCloseTo(1.1, 12);
  });

  test('a list of candidates is not correct, a missing answer does not contain "no", and no message is worse than 0', () => {
    expect(totalOf('jan_nano_context', [answer('1990 or 1991 or 1992')], { format: 0 }, ['1991'])).toBe(0);
    expect(totalOf('jan_nano_context', [search()], {}, ['no'])).toBe(0);
    expect(totalOf('jan_nano_tools', [broken('broken_xml'), broken('many_answers')])).toBe(0);
  });

  test('the substring of the public code can be had, with its bounds or without', () => {
    const listed = [answer('1990 or 1991 or 1992')];
    const only = { exact_match: 0, format: 0 };
    const substring = (settings: object) =>
      totalOf('jan_nano_context', listed, { ...only, substring: { weight: 1, ...settings } }, ['1991']);
    expect(substring({ max_words: 0, whole_words: false })).toBe(1);
    expect(substring({ max_words: 3, whole_words: true })).toBe(0);
    const none = (settings: object) =>
      totalOf('jan_nano_context', [answer('None')], { ...only, substring: { weight: 1, ...settings } }, ['no']);
    expect(none({ max_words: 20, whole_words: false })).toBe(1);
    expect(none({ max_words: 20, whole_words: true })).toBe(0);
  });
});

test('a key next to a preset wins over it', () => {
  expect(totalOf('search_r1_structure', [answer('Rome')], { answer_structure: { weight: 2, valid_miss: 0.5 } })).toBe(
    1,
  );
  expect(totalOf('search_r1', [answer('Paris')], { exact_match: 3 })).toBe(3);
});
