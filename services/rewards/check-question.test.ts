import { describe, expect, test } from 'vitest';
import { checkQuestion, readsText } from './check-question.ts';
import { rewardList } from './reward-list.ts';

/** What an environment records of every rollout, and what a stage weighs too. */
const recorded = ['exact_match', 'format'];
const stage = (rewards: Readonly<Record<string, unknown>>) => {
  const named = rewardList(rewards).map(({ name, weight }) => ({ name, recordedOnly: weight === 0 }));
  const others = recorded.filter((name) => !(name in rewards)).map((name) => ({ name, recordedOnly: true }));
  const { day_first: dayFirst } = Object(rewards['date']) as { readonly day_first?: boolean };
  return [{ name: 'one', scorers: [...named, ...others], dayFirst }];
};
const question = { id: '2hop__1_2', answers: ['Paris', '12 km'], supportTitles: ['A'] };
const settings = { weight: 1 };

describe('gold is checked when questions are read', () => {
  test.each([
    [{ exact_match: 1 }, { answers: [] }, /answers: empty; give the gold answer/],
    [{ exact_match: 1 }, { answers: ['Paris', 'The.'] }, /answers\[1\]: "The\." normalises to nothing/],
    [{ tool_success: 1 }, { answers: ['...'] }, /answers\[0\]: "\.\.\." normalises to nothing/],
    [{ exact_match: 0, numeric: settings }, {}, /answers\[0\]: "Paris" is not a single number/],
    [{ numeric: settings }, { answers: ['3-4'] }, /more than one number/],
    [{ date: settings }, { answers: ['Paris'] }, /is not a single date/],
    [{ date: settings }, { answers: ['05/03/1990'] }, /set day_first/],
    [{ iou: settings }, {}, /is not an interval/],
    [{ choice: settings }, { answers: [' '] }, /is blank/],
    [{ gold_found: settings }, { supportTitles: [] }, /support_titles: empty/],
  ])('%j refuses %j, naming file, question, field and fix', (rewards, wrong, message) => {
    const check = () => checkQuestion({ ...question, ...wrong }, stage(rewards), 'train.jsonl');
    expect(check).toThrow(message);
    expect(check).toThrow(/^train\.jsonl: question 2hop__1_2: .*stage one scores by/);
  });

  test.each([
    [{ exact_match: 1 }, {}],
    [{ exact_match: 0, numeric: settings }, { answers: ['12 km', '12,000 m'] }],
    [{ date: { weight: 1, day_first: true } }, { answers: ['05/03/1990'] }],
    [{ exact_match: 0, choice: settings }, { answers: ['A'] }],
    [{ exact_match: 1, gold_found: settings }, {}],
  ])('%j takes %j', (rewards, fields) => {
    expect(() => checkQuestion({ ...question, ...fields }, stage(rewards), 'train.jsonl')).not.toThrow();
  });

  test('an environment that records no scorer of text asks no answers of its rows', () => {
    const own = [{ name: 'one', scorers: [{ name: 'house' }, { name: 'format', recordedOnly: true }] }];
    expect(() => checkQuestion({ ...question, answers: [] }, own, 'train.jsonl')).not.toThrow();
    expect(readsText(own)).toBe(false);
  });

  test('answers are text unless no weighted scorer normalises them', () => {
    expect(readsText(stage({ exact_match: 1, choice: settings }))).toBe(true);
    expect(readsText(stage({ exact_match: 0, choice: settings }))).toBe(false);
    expect(readsText(stage({ tool_success: 1 }))).toBe(true);
  });
});
