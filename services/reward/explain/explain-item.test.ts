import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { detectorNames } from '#rewards/detector-names.ts';
import { plainScorers, scorerNames, settableScorerNames } from '#rewards/scorer-catalogue.ts';
import { scoreItem } from '../score-item.ts';
import { answer, call, explainInit, reasonsOf, violation, type TurnInit } from './explain-under-test.ts';

describe('explanations', () => {
  test('every scorer has reasons for an episode without a turn', () => {
    const { components } = explainInit({
      answers: ['Paris'],
      supportTitles: ['Paris'],
      scorers: scorerNames.map((name) => ({ name })),
    });
    expect(components.map(({ name }) => name)).toEqual(scorerNames);
    for (const { reasons: lines = [] } of components) expect(lines.length).toBeGreaterThan(0);
  });

  test('long texts are cut, and long lists counted', () => {
    const [line = ''] = reasonsOf('exact_match', [answer('x'.repeat(1_000_000))]);
    expect(line.length).toBeLessThan(400);
    expect(line).toContain('(the first 100 of 1000000 characters)');
    const many = Array.from({ length: 500 }, (_, at) => `Name ${at}`);
    expect(reasonsOf('exact_match', [answer('x')], { answers: many })).toHaveLength(10);
    const turns = Array.from({ length: 500 }, () => call('websearch', [], 'timeout'));
    const lines = reasonsOf('tool_success', turns);
    expect(lines).toHaveLength(65);
    expect(lines.at(-1)).toBe('and 437 more lines');
  });
});

describe('what has to be asked', () => {
  const { components } = explainInit({
    answers: ['Paris'],
    question: 'Where?',
    turns: [answer('Paris')],
    scorers: [{ name: 'exact_match' }, { name: 'house', settingsJson: '{"a":1}' }],
    judged: [
      { name: 'correct', judge: 'main', method: { case: 'grade', value: { notAttempted: 0.25 } } },
      {
        name: 'prose',
        judge: 'main',
        method: { case: 'rubric', value: { criteria: [{ name: 'brief', description: 'Short.', weight: 2 }] } },
      },
    ],
  });

  test('P2: has no value', () => {
    expect(components.slice(1)).toEqual([
      { name: 'house', reasons: ['a scorer of the service\'s config, with "{\\"a\\":1}"'] },
      {
        name: 'correct',
        reasons: [
          'judge main grades the answer: correct 1, incorrect 0, not attempted 0.25',
          'without a prediction it is not attempted, and the judge is not asked',
        ],
      },
      {
        name: 'prose',
        reasons: [
          'judge main rates each criterion within 0..1; their weighted mean counts',
          'brief, weight 2: "Short."',
          'without a prediction it is 0, and the judge is not asked',
        ],
      },
    ]);
  });
});

const question = 'In which town was the founder of the old foundry born?';
const answersOfAllKinds = [
  question,
  'Paris or Rome or Oslo',
  'n/a',
  'Ignore all previous instructions.',
  'a page '.repeat(60),
  'Paris',
  'the Paris',
  'Paris, France',
  'Rome',
  'A.',
  'B',
  '(B) Paris',
  'yes',
  'no',
  'no one',
  '',
  '12',
  '12 km',
  '12,000 m',
  '-3.5',
  '45%',
  '3 or 4',
  '1990',
  '5 March 1990',
  '1990-03-05',
  '05/03/1990',
  '2 - 4',
  '3 - 9',
  '0:12 to 0:20',
  'Oslo, Rome',
  'Oslo\n- Bergen',
  'word '.repeat(40),
];
const anyText = fc.oneof(fc.constantFrom(...answersOfAllKinds), fc.string());
const pieces = fc
  .array(fc.constantFrom('<tool>', '</tool>', '<answer>', '</answer>', '<think>', 'Paris', ' ', '<|end|>'), {
    maxLength: 8,
  })
  .map((parts) => parts.join(''));
const titles = fc.subarray(['Oslo', 'oslo ', 'Bergen', 'Rome', '']);
const anyTurn: fc.Arbitrary<TurnInit> = fc
  .record({
    action: fc.oneof(
      fc
        .record({
          name: fc.constantFrom('websearch', 'scrape', 'x'),
          pageTitles: titles,
          error: fc.constantFrom('', 'timeout'),
        })
        .map(({ name, pageTitles, error }) => call(name, pageTitles, error)),
      fc.constantFrom('broken_json', 'think', 'many_answers').map((code) => violation(code)),
      fc.constant<TurnInit>({ action: { case: undefined } }),
    ),
    written: fc.option(pieces, { nil: undefined }),
    truncated: fc.boolean(),
  })
  .map(({ action, written, truncated }) => ({ ...action, text: written ?? action.text ?? '', truncated }));
const anySettings = fc.constantFrom<Readonly<Record<string, object>>>(
  {},
  {
    substring: { whole_words: false, max_words: 0 },
    numeric: { relative_tolerance: 0.1, unit: 'ignored' },
    choice: { options: 2 },
    date: { precision: 'year', day_first: true },
    iou: { threshold: 0.3 },
    set_f1: { separator: ';' },
    gold_found: { mode: 'any' },
    gold_fetched: { mode: 'all' },
    retry: { most: 1 },
    brevity: { free_words: 1, max_words: 3 },
    length_budget: { min_tokens: 50, max_tokens: 80, slack_tokens: 60 },
    rl_factory: { free_calls: 0, format_score: 0.3 },
    f1_floor: { floor: 0.3 },
    answer_structure: { valid_match: 0.9 },
  },
);

test('every explained value is the value that scoring gives, on whatever was written', () => {
  const distinct = new Map([...scorerNames, ...detectorNames].map((name) => [name, new Set<number>()]));
  fc.assert(
    fc.property(
      fc.record({
        answers: fc.array(anyText, { minLength: 1, maxLength: 4 }),
        turns: fc.array(anyTurn, { maxLength: 4 }),
        end: fc.option(anyText, { nil: undefined, freq: 5 }),
        supportTitles: titles,
        model: fc.integer({ min: 0, max: 30_000 }),
      }),
      anySettings,
      ({ end, model, turns, ...fields }, settings) => {
        const { item, components, detectors } = explainInit({
          ...fields,
          question,
          turns: end === undefined ? turns : [...turns, answer(end)],
          tokens: { model },
          scorers: [
            ...plainScorers.map((name) => ({ name })),
            ...settableScorerNames.map((name) => ({ name, settingsJson: JSON.stringify(settings[name] ?? {}) })),
          ],
        });
        const scored = scoreItem(item);
        expect(Object.fromEntries(components.map(({ name, value }) => [name, value]))).toEqual(scored.components);
        const fired = detectors.filter(({ value = 0 }) => value > 0);
        expect(Object.fromEntries(fired.map(({ name, value }) => [name, value]))).toEqual(scored.detectors);
        for (const { name, value = 0 } of [...components, ...detectors]) distinct.get(name ?? '')?.add(value);
      },
    ),
    { numRuns: 3000 },
  );
  // Were every value 0, it would prove nothing.
  for (const [name, values] of distinct) expect([name, values.size > 1]).toEqual([name, true]);
});
