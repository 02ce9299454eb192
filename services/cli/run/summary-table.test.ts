import { expect, test } from 'vitest';
import { parseRunSummary } from './run-summary.ts';
import { formatSummary } from './summary-table.ts';
import { exampleSummary } from './example-summary.ts';

test('the table shows before and after of every stage, in all and per hop count', () => {
  const text = formatSummary(parseRunSummary(JSON.stringify(exampleSummary()), 'summary.json'));
  const rows = text.split('\n').filter((line) => line.startsWith('│'));
  const cells = rows.map((row) =>
    row
      .split('│')
      .map((cell) => cell.trim())
      .slice(1, -1),
  );
  expect(cells[1]).toEqual([
    'tool-use',
    '2',
    'all',
    '200',
    '29.0 -> 40.0',
    '50.0 -> 51.0',
    '30.0 -> 41.0',
    '80.0 -> 95.0',
    '90.0 -> 99.0',
  ]);
  expect(cells[2]).toEqual([
    '',
    '',
    '2 hops',
    '136',
    '35.0 -> 48.0',
    '',
    '36.0 -> 49.0',
    '80.0 -> 95.0',
    '90.0 -> 99.0',
  ]);
  expect(cells[3]?.slice(2, 5)).toEqual(['3 hops', '64', '16.0 -> 23.0']);
});

test('the gain of the whole climb is given with its interval and number of questions', () => {
  const text = formatSummary(parseRunSummary(JSON.stringify(exampleSummary()), 'summary.json'));
  expect(text).toContain(
    'sampled exact match at the limits of tool-use: 29.0 (23..36) -> 40.0 (33..47), +11.0 points over 200 questions',
  );
  expect(text).toContain(
    'greedy exact match at the limits of tool-use: 50.0 (43..57) -> 51.0 (44..58), +1.0 points over 200 questions',
  );
});

test('what became of every rollout is said in one line', () => {
  const text = formatSummary(parseRunSummary(JSON.stringify(exampleSummary()), 'summary.json'));
  expect(text).toContain(
    'rollouts: 656 published, 650 completed, 0 lost, 0 counted twice, 4 failed by infrastructure, 2 by the policy, 2 cancelled',
  );
});

test('a stage that was stopped before its last evaluation shows what there is', () => {
  const summary = exampleSummary();
  const [stage] = summary.stages;
  if (stage === undefined) throw new Error('the example has a stage');
  const stopped = {
    ...summary,
    stages: [{ ...stage, eval: { ...stage.eval, after: null }, evalDetail: { before: stage.evalDetail.before } }],
  };
  const text = formatSummary(parseRunSummary(JSON.stringify(stopped), 'summary.json'));
  expect(text).toContain('29.0 ->');
  expect(text).not.toContain('points over');
});

test('a damaged summary is named with its field', () => {
  expect(() => parseRunSummary('{"run":', 'runs/r/summary.json')).toThrow(/^runs\/r\/summary.json: is no JSON/);
  expect(() => parseRunSummary('{"run":"r"}', 'runs/r/summary.json')).toThrow(/^runs\/r\/summary.json: recipe:/);
});

test('detectors that fired in more than one in a hundred rollouts, and warnings, have a line each', () => {
  const summary = exampleSummary();
  const [stage] = summary.stages;
  const warnings = ['the reward rises while sampled.em falls: reward 0.370 -> 0.610'];
  const text = formatSummary(
    parseRunSummary(JSON.stringify({ ...summary, stages: [{ ...stage, warnings }] }), 'summary.json'),
  );
  expect(text).toContain('\ndetectors in tool-use: candidate_list 12.5 % of rollouts\n');
  expect(text).toContain('\nwarning in tool-use: the reward rises while sampled.em falls: reward 0.370 -> 0.610\n');
});

test('a summary of an earlier version says nothing of detectors', () => {
  const older = JSON.stringify(exampleSummary(), (key, value: unknown) =>
    key === 'detectors' || key === 'warnings' ? undefined : value,
  );
  expect(formatSummary(parseRunSummary(older, 'summary.json'))).not.toContain('detectors in');
});
