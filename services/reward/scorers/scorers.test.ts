import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ScoreItemSchema, type Turn } from '#proto/reward/v1/reward_pb.ts';
import { plainScorers, scorerNames } from '#rewards/scorer-catalogue.ts';
import { scoreItem } from '../score-item.ts';
import { plainScorerFunctions, settableScorerFunctions } from './registry.ts';
import { scoreXmlOfTurn } from './xml.ts';
import { goldItem } from '../../../tests/fixtures/gold-item.ts';

type TurnInit = { text: string; action: Turn['action']; truncated?: boolean };

const searchText = '<tool> {"name": "websearch", "args": {"query": "Halvard"}} </tool>';

const call = (succeeded = true): TurnInit => ({
  text: searchText,
  action: { case: 'toolCall', value: message('websearch', succeeded) },
});
const answer = (text: string): TurnInit => ({
  text: `<answer> ${text} </answer>`,
  action: { case: 'answer', value: { $typeName: 'gradus.reward.v1.Answer', text } },
});
const violation = (code: string, text = 'hm'): TurnInit => ({
  text,
  action: { case: 'violation', value: { $typeName: 'gradus.reward.v1.Violation', code, wasCall: callCodes.has(code) } },
});
const callCodes = new Set(['broken_json', 'unknown_tool', 'bad_arguments']);
function message(name: string, succeeded: boolean) {
  return {
    $typeName: 'gradus.reward.v1.ToolCall',
    name,
    succeeded,
    error: succeeded ? '' : 'unknown_id',
    argumentsJson: '{}',
    result: '',
    factsJson: '',
  } as const;
}

function componentsOf(turns: readonly TurnInit[], answers: readonly string[] = ['Paris']): Record<string, number> {
  const scorers = plainScorers.map((name) => ({ name }));
  return scoreItem(create(ScoreItemSchema, goldItem({ id: 'x', answers, scorers, turns: [...turns] }))).components;
}

test('a clean episode with the right answer has every component at 1', () => {
  expect(componentsOf([call(), call(), answer('Paris')])).toEqual({
    exact_match: 1,
    f1: 1,
    tool_success: 1,
    format: 1,
    xml: 1,
  });
});

test('an episode without turns has every component at 0', () => {
  expect(Object.values(componentsOf([]))).toEqual([0, 0, 0, 0, 0]);
});

describe('exact_match and f1', () => {
  test('take aliases, and case, articles and punctuation do not matter', () => {
    expect(componentsOf([answer('The "big apple".')], ['New York', 'Big Apple'])).toMatchObject({
      exact_match: 1,
      f1: 1,
    });
  });

  test.each([
    ['no answer', [call()]],
    ['an empty answer', [answer(' ')]],
    ['an answer that normalises to nothing', [answer('The.')]],
    ['the word None, which the public code takes for a missing answer', [answer('None')]],
    ['two answers, one of them right', [answer('Paris'), answer('London')]],
    ['a right answer that is not the end', [answer('Paris'), call()]],
    [
      'an answer inside a turn that breaks the format',
      [violation('many_answers', '<answer>Paris</answer><answer>Rome</answer>')],
    ],
  ])('are 0 for %s', (_, turns) => {
    expect(componentsOf(turns, ['Paris', 'no'])).toMatchObject({ exact_match: 0, f1: 0 });
  });

  test('a list of candidates does not win', () => {
    const listed = componentsOf([answer('1990 or 1991 or 1992')], ['1991']);
    expect(listed['exact_match']).toBe(0);
    // 1 of 5 words right: 2 * 0.2 * 1 / 1.2.
    expect(listed['f1']).toBeCloseTo(1 / 3, 12);
  });

  test('a gold answer inside a longer one is not an exact match', () => {
    expect(componentsOf([answer('Paris, the capital of France')])['exact_match']).toBe(0);
  });
});

describe('tool_success', () => {
  test('is 0 without a call, however good the answer', () => {
    expect(componentsOf([answer('Paris')])['tool_success']).toBe(0);
  });

  test('is the share of calls that succeeded', () => {
    expect(componentsOf([call(), call(false), call(), answer('x')])['tool_success']).toBeCloseTo(2 / 3, 12);
  });

  test.each(['broken_json', 'unknown_tool', 'bad_arguments'])('counts %s as a call that failed', (code) => {
    expect(componentsOf([call(), violation(code)])['tool_success']).toBe(0.5);
    expect(componentsOf([violation(code)])['tool_success']).toBe(0);
  });

  test('leaves violations that are no calls out', () => {
    expect(componentsOf([violation('no_action'), call()])['tool_success']).toBe(1);
  });
});

describe('format', () => {
  test('is the share of turns without violation when the episode ends in one answer', () => {
    expect(componentsOf([violation('no_action'), call(), call(), answer('x')])['format']).toBe(0.75);
  });

  test('a failed call is well-formed', () => {
    expect(componentsOf([call(false), answer('x')])['format']).toBe(1);
  });

  test('is 0 without an answer, with two, and with one that is not the end', () => {
    expect(componentsOf([call(), call()])['format']).toBe(0);
    expect(componentsOf([answer('x'), answer('y')])['format']).toBe(0);
    expect(componentsOf([answer('x'), violation('no_action')])['format']).toBe(0);
  });

  test('a turn that was cut by a limit is not well-formed', () => {
    expect(componentsOf([{ ...call(), truncated: true }, answer('x')])['format']).toBe(0.5);
  });
});

describe('xml', () => {
  test.each([
    ['<answer>Paris</answer>', 1],
    [' <answer> Paris </answer>\n', 1],
    [searchText, 1],
    ['<tool_call>\n{"name": "websearch"}\n</tool_call><|im_end|>', 1],
    ['<tool>{"q": "a <b> and 1 < 2 </b>"}</tool>', 1],
    ['<answer>Paris</answer><answer>Rome</answer>', 1],
    // 17 characters inside of 34 that are not blank.
    ['abcdefghijklmnopq <answer></answer>', 0.5],
    ['<think></think><answer></answer>', 17 / 32],
    ['', 0],
    ['   ', 0],
    ['Paris', 0],
    ['<answer>Paris', 0],
    ['Paris</answer>', 0],
    ['<answer>Paris</tool>', 0],
    ['<tool><answer>Paris</answer></tool>', 0],
    ['<answer>Paris</answer></answer>', 0],
    ['<answer>Paris</answer><tool>', 0],
    ['<think>hm <answer>Paris</answer>', 0],
    ['<result>made up</result>', 0],
    ['<|end|>', 0],
  ])('of %j is %d', (text, expected) => {
    expect(scoreXmlOfTurn(text)).toBeCloseTo(expected, 12);
  });

  test('is the mean over the turns', () => {
    expect(componentsOf([call(), violation('broken_xml', '<tool>'), answer('x'), answer('y')])['xml']).toBe(0.75);
  });

  test('takes linear time on a megabyte of broken tags and end markers', () => {
    expect(scoreXmlOfTurn('<tool>'.repeat(200_000))).toBe(0);
    expect(scoreXmlOfTurn(`<|a|>${'<|end|> '.repeat(150_000)}x`)).toBe(0);
    expect(scoreXmlOfTurn('<|end|>'.repeat(150_000))).toBe(0);
  });
});

test('a recipe may weigh each of the scorers and nothing else', () => {
  expect([...Object.keys(plainScorerFunctions), ...Object.keys(settableScorerFunctions)]).toEqual(scorerNames);
});

test('every scorer stays within 0..1 whatever the policy writes', () => {
  const piece = fc.constantFrom(
    '<tool>',
    '</tool>',
    '<answer>',
    '</answer>',
    '<think>',
    '</think>',
    'Paris',
    ' ',
    '{"',
    '<|end|>',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  );
  const turn = fc
    .tuple(text, fc.constantFrom('call', 'answer', 'violation', 'none'), fc.boolean())
    .map(([written, kind, flag]): TurnInit => {
      const none: TurnInit = { text: written, action: { case: undefined } };
      const made = { call: call(flag), answer: answer(written), violation: violation('broken_json'), none }[kind];
      return { ...(made ?? none), text: written, truncated: flag };
    });
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 6 }), (turns) => {
      const components = scoreItem(
        create(
          ScoreItemSchema,
          goldItem({
            answers: ['Paris', '12 km', '1990-03-05', '3 - 9', 'B'],
            turns,
            supportTitles: ['Paris'],
            tokens: { model: 5000 },
            scorers: scorerNames.map((name) => ({ name })),
          }),
        ),
      ).components;
      expect(Object.keys(components)).toEqual(scorerNames);
      for (const value of Object.values(components)) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
      }
    }),
    { numRuns: 500 },
  );
});
