import { expect, test } from 'vitest';
import { parseRunSummary } from '#run/directory/run-summary.ts';
import { formatSummary } from './summary-table.ts';
import { exampleSummary } from './summary-under-test.ts';

test('the table shows before and after of every stage, in all and per value of a tag', () => {
  const text = formatSummary(parseRunSummary(JSON.stringify(exampleSummary()), 'summary.json')).join('\n');
  const rows = text.split('\n').filter((line) => line.startsWith('│'));
  const cells = rows.map((row) =>
    row
      .split('│')
      .map((cell) => cell.trim())
      .slice(1, -1),
  );
  expect(cells.slice(0, 4)).toEqual([
    ['stage', 'steps', 'rows', 'n', 'greedy', 'sampled'],
    ['tool-use', '2', 'all', '200', '50.0 -> 51.0', '29.0 -> 40.0'],
    ['', '', 'hops=2', '136', '-', '35.0 -> 48.0'],
    ['', '', 'hops=3', '64', '-', '16.0 -> 23.0'],
  ]);
  expect(text).toContain('held out, before -> after: exact_match in %');
  expect(text).toContain('tool-use: f1 30.0 -> 41.0, tool_success 80.0 -> 95.0, format 90.0 -> 99.0');
  expect(Math.max(...rows.map((row) => row.length))).toBeLessThanOrEqual(80);
});

test('a tag that all rows share has no row of its own, and what came back from nobody is a dash', () => {
  const summary = exampleSummary();
  const [stage] = summary.stages;
  if (stage === undefined) throw new Error('the example has a stage');
  const { after } = stage.evalDetail;
  const byTag = { 'hops=0': { metrics: after.sampled.metrics, n: 200 } };
  const before = { version: 0, sampled: { ...after.sampled, metrics: { exact_match: 0 }, n: 0, byTag: {} } };
  const shown = (evalDetail: object) =>
    formatSummary(parseRunSummary(JSON.stringify({ ...summary, stages: [{ ...stage, evalDetail }] }), 'summary.json'));
  expect(shown({ before: { ...after, sampled: { ...after.sampled, byTag } } }).join('\n')).not.toContain('hops=0');
  const row = shown({ before }).find((line) => line.includes('tool-use │'));
  expect(row?.split('│').map((cell) => cell.trim())).toEqual(['', 'tool-use', '2', 'all', '-', '-', '']);
});

test('the gain of the whole climb is given with its interval and number of rows', () => {
  const text = formatSummary(parseRunSummary(JSON.stringify(exampleSummary()), 'summary.json')).join('\n');
  expect(text).toContain(
    'sampled exact_match at the limits of tool-use: 29.0 (23.0..35.7) -> 40.0 (33.4..46.9), +11.0 points over 200 rows (95 % intervals)',
  );
  expect(text).toContain(
    'greedy exact_match at the limits of tool-use: 50.0 (43.0..57.0) -> 51.0 (44.0..57.8), +1.0 points over 200 rows (95 % intervals)',
  );
});

test('P2: what infrastructure failed of an evaluation is said, since the rows that are left are no fair choice', () => {
  const summary = exampleSummary();
  const { detail } = summary.baseline;
  const baseline = { ...summary.baseline, detail: { ...detail, greedy: { ...detail.greedy, n: 90, absent: 110 } } };
  const text = formatSummary(parseRunSummary(JSON.stringify({ ...summary, baseline }), 'summary.json')).join('\n');
  expect(text).toContain(
    'absent: 110 of 200 greedy rollouts of the evaluation of the untrained policy at the last limits',
  );
  expect(text).toContain('+1.0 points over 90 and 200 rows');
  expect(text).not.toContain('sampled rollouts of the evaluation');
});

test('P2: what failed of the evaluation of a stage has one line', () => {
  const summary = exampleSummary();
  const [stage] = summary.stages;
  const { after } = stage?.evalDetail ?? {};
  const stages = [{ ...stage, evalDetail: { after: { ...after, greedy: { ...after?.greedy, absent: 3 } } } }];
  const lines = formatSummary(parseRunSummary(JSON.stringify({ ...summary, stages }), 'summary.json'));
  expect(lines.filter((line) => /\b3\b.* rollouts/.test(line))).toEqual([
    expect.stringMatching(/^absent: 3 of 203 greedy rollouts of the evaluation of tool-use, after; infrastructure/),
  ]);
});

test('P9: what several samples of a row come to is said with its intervals', () => {
  const summary = exampleSummary();
  const [stage] = summary.stages;
  if (stage === undefined) throw new Error('the example has a stage');
  const overSamples = {
    'avg@4': { value: 0.25, low: 0.2, high: 0.31 },
    'pass@4': { value: 0.5, low: 0.4, high: 0.6 },
  };
  const { after } = stage.evalDetail;
  const evalDetail = { after: { ...after, sampled: { ...after.sampled, overSamples } } };
  const text = formatSummary(
    parseRunSummary(JSON.stringify({ ...summary, stages: [{ ...stage, evalDetail }] }), 'summary.json'),
  );
  expect(text).toContain(
    'of the samples of a row in tool-use, with 95 % intervals: avg@4 25.0 % (20.0..31.0), pass@4 50.0 % (40.0..60.0)',
  );
});

test.each([
  [1e-50, '1.0e-50'],
  [0.0386, '0.039'],
])('an evaluation that is paired with an earlier one says on how many rows they differ, p %d', (p, shown) => {
  const summary = exampleSummary();
  const stages = summary.stages.map((stage) => ({
    ...stage,
    paired: { against: 'untrained', better: 10, worse: 2, p },
  }));
  expect(formatSummary(parseRunSummary(JSON.stringify({ ...summary, stages }), 'summary.json'))).toContain(
    `tool-use next to untrained, row by row: 10 better, 2 worse, p ${shown} (exact sign test)`,
  );
});

test('what became of every rollout is said in one line', () => {
  const text = formatSummary(parseRunSummary(JSON.stringify(exampleSummary()), 'summary.json')).join('\n');
  expect(text).toContain(
    'rollouts: 656 published, 649 completed, 0 lost, 0 counted twice, 4 failed by infrastructure, 1 by code or settings of the user, 2 by the policy, 2 cancelled',
  );
});

test('versions that were kept for their held-out score are named, with where they lie', () => {
  const best = {
    version: 4,
    step: 4,
    stage: 'tool-use',
    metric: 'greedy.exact_match',
    score: 0.512,
    weights: '/r/v/4',
  };
  const shown = (...kept: object[]) =>
    formatSummary(parseRunSummary(JSON.stringify({ ...exampleSummary(), best: kept }), 'summary.json')).filter((line) =>
      line.startsWith('best'),
    );
  expect(shown(best)).toEqual(['best: version 4, greedy.exact_match 51.2 in tool-use: /r/v/4']);
  expect(shown(best, { ...best, version: 2, score: 0.4, weights: '/r/v/2' })[1]).toBe(
    'best 2: version 2, greedy.exact_match 40.0 in tool-use: /r/v/2',
  );
});

test('P9: files of the learner that were damaged are named, with what to do', () => {
  const summary = { ...exampleSummary(), damagedFiles: ['/r/step-1/model.safetensors: expected 5 bytes, found 4'] };
  expect(formatSummary(parseRunSummary(JSON.stringify(summary), 'summary.json')).join('\n')).toContain(
    'damaged: /r/step-1/model.safetensors: expected 5 bytes, found 4; the learner went on from what is whole',
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
  const text = formatSummary(parseRunSummary(JSON.stringify(stopped), 'summary.json')).join('\n');
  expect(text).toContain('29.0 ->');
  expect(text).not.toContain('points over');
});

test('a damaged summary is named with its field', () => {
  expect(() => parseRunSummary('{"run":', 'runs/r/summary.json')).toThrow(/^runs\/r\/summary.json: is not JSON/);
  expect(() => parseRunSummary('{"run":"r"}', 'runs/r/summary.json')).toThrow(/^runs\/r\/summary.json: recipe:/);
});

test('detectors that fired in more than one in a hundred rollouts, and warnings, have a line each', () => {
  const summary = exampleSummary();
  const [stage] = summary.stages;
  const warnings = ['the reward rises while sampled.exact_match falls: reward 0.370 -> 0.610'];
  const text = formatSummary(
    parseRunSummary(JSON.stringify({ ...summary, stages: [{ ...stage, warnings }] }), 'summary.json'),
  ).join('\n');
  expect(text).toContain('\ndetectors in tool-use: candidate_list 12.5 % of rollouts\n');
  expect(text).toContain(
    '\nwarning in tool-use: the reward rises while sampled.exact_match falls: reward 0.370 -> 0.610\n',
  );
});

test('what the environment reported has a line per stage', () => {
  const summary = exampleSummary();
  const [stage] = summary.stages;
  if (stage === undefined) throw new Error('the example has a stage');
  const { before, after } = stage.evalDetail;
  const evaluated = (detail: typeof before, moves: number) => ({
    ...detail,
    sampled: { ...detail.sampled, environment: { moves } },
  });
  const stages = [{ ...stage, evalDetail: { before: evaluated(before, 3.5), after: evaluated(after, 2) } }];
  const lines = formatSummary(parseRunSummary(JSON.stringify({ ...summary, stages }), 'summary.json'));
  expect(lines).toContain('environment in tool-use: moves 3.5 -> 2');
  expect(formatSummary(parseRunSummary(JSON.stringify(summary), 'summary.json')).join('\n')).not.toContain(
    'environment in',
  );
});

test('an environment that is rewarded by itself is led by its reward, which is not a share', () => {
  const summary = { ...exampleSummary(), primaryMetric: 'reward' };
  const lines = formatSummary(parseRunSummary(JSON.stringify(summary), 'summary.json'));
  const text = lines.join('\n');
  expect(text).toContain('held out, before -> after: reward\n');
  expect(text).toContain('0.290 -> 0.400');
  expect(text).toContain(
    'sampled reward at the limits of tool-use: 0.290 (0.230..0.357) -> 0.400 (0.334..0.469), +0.110',
  );
});
