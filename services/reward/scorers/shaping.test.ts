import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { ScoreItemSchema, TurnSchema, type ToolCall, type Turn } from '#proto/reward/v1/reward_pb.ts';
import type { SettableScorer } from '#rewards/scorer-catalogue.ts';
import { episodeOf } from '../score-item.ts';
import { compileScorer } from './compile-scorer.ts';
import { goldItem } from '../../../tests/fixtures/gold-item.ts';

const call = (name: string, ...titles: string[]): Turn =>
  create(TurnSchema, {
    action: {
      case: 'toolCall',
      value: { name, succeeded: titles.length > 0, factsJson: JSON.stringify({ page_titles: titles }) },
    } as { case: 'toolCall'; value: ToolCall },
  });
const answer = (text: string): Turn => create(TurnSchema, { action: { case: 'answer', value: { text } } });

function valueOf(
  name: SettableScorer,
  settings: object,
  item: { turns?: Turn[]; supportTitles?: string[]; model?: number; answers?: string[] },
): number {
  const { turns = [], supportTitles = [], model = 0, answers = ['Paris'] } = item;
  const episode = episodeOf(create(ScoreItemSchema, goldItem({ answers, turns, supportTitles, tokens: { model } })));
  return compileScorer(name, JSON.stringify(settings)).score(episode);
}

describe('gold pages', () => {
  const supportTitles = ['Oslo', 'Bergen'];
  const turns = [call('websearch', 'Oslo', 'Rome'), call('scrape', 'oslo '), call('websearch', 'Bergen')];

  test.each([
    ['gold_found', 'share', 1],
    ['gold_found', 'all', 1],
    ['gold_fetched', 'share', 0.5],
    ['gold_fetched', 'any', 1],
    ['gold_fetched', 'all', 0],
  ] as const)('%s counted by %s is %d', (name, mode, expected) => {
    expect(valueOf(name, { mode }, { turns, supportTitles })).toBe(expected);
  });

  test('a page that comes twice counts once, and without calls there is nothing', () => {
    const twice = [call('websearch', 'Oslo'), call('scrape', 'Oslo')];
    expect(valueOf('gold_found', {}, { turns: twice, supportTitles })).toBe(0.5);
    expect(valueOf('gold_found', {}, { turns: [answer('Oslo')], supportTitles })).toBe(0);
  });
});

describe('lengths', () => {
  test.each([
    [0, 0],
    [50, 0.5],
    [100, 1],
    [200, 1],
    [250, 0.5],
    [300, 0],
    [9999, 0],
  ])('a budget of 100 to 200 tokens with a slack of 100 gives %d tokens %d', (model, expected) => {
    expect(valueOf('length_budget', { min_tokens: 100, max_tokens: 200, slack_tokens: 100 }, { model })).toBe(expected);
  });

  test.each([
    ['one two', 1],
    ['one two three', 0.5],
    ['one two three four', 0],
    ['word '.repeat(200_000), 0],
    ['', 0],
  ])('an answer may have two free words and less than four', (text, expected) => {
    expect(valueOf('brevity', { free_words: 2, max_words: 4 }, { turns: [answer(text)] })).toBe(expected);
  });

  test('no answer is not a short one', () => {
    expect(valueOf('brevity', {}, { turns: [call('websearch', 'Oslo')] })).toBe(0);
  });
});

describe('answers in other forms', () => {
  test.each([
    ['numeric', { relative_tolerance: 0.01 }, '1,005 m', ['1 km'], 1],
    ['numeric', {}, '1,005 m', ['1 km'], 0],
    ['choice', {}, 'Answer: (C)', ['C', 'Bergen'], 1],
    ['date', { day_first: true }, '05/03/1990', ['1990-03-05'], 1],
    ['iou', {}, '0 - 10', ['5 - 15'], 1 / 3],
    ['iou', { threshold: 0.5 }, '0 - 10', ['5 - 15'], 0],
    ['set_f1', {}, 'Oslo, Bergen', ['Bergen', 'Oslo'], 1],
    ['set_f1', { separator: ';' }, 'Oslo; Rome', ['Oslo'], 2 / 3],
    ['substring', {}, 'It is Paris, France', ['Paris'], 1],
    ['substring', { max_words: 3 }, 'It is Paris, France', ['Paris'], 0],
    ['hotpotqa_f1', {}, 'no one', ['no'], 0],
  ] as const)('%s with %j of %j against %j is %d', (name, settings, text, answers, expected) => {
    expect(valueOf(name, settings, { turns: [answer(text)], answers: [...answers] })).toBeCloseTo(expected, 12);
  });

  test.each(['numeric', 'choice', 'date', 'iou', 'set_f1', 'substring', 'hotpotqa_f1', 'retry'] as const)(
    '%s without an answer is 0',
    (name) => {
      expect(valueOf(name, {}, { turns: [call('websearch', 'Oslo')], answers: ['5', '1990'] })).toBe(0);
    },
  );
});
