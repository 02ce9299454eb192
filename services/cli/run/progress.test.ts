import { expect, test } from 'vitest';
import { Phase } from '#proto/coordinator/v1/coordinator_pb.ts';
import { formatDuration } from '../terminal/format.ts';
import {
  type ProgressStatus,
  bar,
  createProgress,
  createRateMeter,
  evaluationLine,
  plainLine,
  progressLine,
  warningLines,
} from './progress.ts';
import { createTerminal } from '../terminal/terminal.ts';

const status = (more: Partial<ProgressStatus> = {}): ProgressStatus => ({
  stage: 'tool-use',
  stageIndex: 0,
  stages: 3,
  phase: Phase.ROLLOUT,
  step: 3,
  steps: 15,
  rolloutsDone: 96,
  rolloutsExpected: 128,
  elapsedMs: 65_000n,
  message: '',
  warnings: {},
  detectors: {},
  primaryMetric: 'exact_match',
  metrics: {},
  ...more,
});

test('the live line says stage, step, phase, reward, rate and time left', () => {
  const line = progressLine(status({ rewardMean: 0.4567, remainingMs: 185_000n }), 12.4, 200);
  expect(line).toBe(
    '1/3 tool-use  [==          ] 3/15  rollouts 96/128  reward 0.457  12 rollouts/s  1:05 min  ~3:05 min left',
  );
});

test('what a run waits for is in the live line, and once in plain output', () => {
  const waiting = status({ message: 'waiting 42 s for 3 samples: no worker is alive' });
  expect(progressLine(waiting, undefined, 200)).toContain(
    'rollouts 96/128  waiting 42 s for 3 samples: no worker is alive  1:05 min',
  );
  expect(plainLine(status(), waiting)).toBe('[1:05 min] 1/3 tool-use: waiting 42 s for 3 samples: no worker is alive');
  expect(plainLine(waiting, status({ message: 'waiting 44 s for 3 samples: no worker is alive' }))).toBeUndefined();
  expect(plainLine(waiting, status())).toBeUndefined();
});

test('detectors that fire often and warnings are in both outputs, each warning once', () => {
  const before = status();
  const warnings = { 'reward_diverges/sampled.exact_match': 'the reward rises while sampled.exact_match falls' };
  const now = status({
    step: 4,
    rewardMean: 0.5,
    detectors: { giant_answer: 0.02, candidate_list: 0.1234, empty_answer: 0.01 },
    warnings,
  });
  expect(progressLine(now, undefined, 200)).toContain(
    'reward 0.500  candidate_list 12.3 %  giant_answer 2.0 %  reward diverges  ',
  );
  expect(plainLine(before, now)).toBe(
    '[1:05 min] 1/3 tool-use: step 4/15, reward 0.500, candidate_list 12.3 %, giant_answer 2.0 %',
  );
  expect(warningLines(before, now)).toEqual([
    '[1:05 min] 1/3 tool-use: warning: the reward rises while sampled.exact_match falls',
  ]);
  expect(warningLines(now, now)).toEqual([]);
  expect(warningLines(undefined, now)).toHaveLength(1);
});

test('the primary metric of the environment is next to the reward, and not said twice where it is the reward', () => {
  const scored = { step: 4, rewardMean: 0.5, metrics: { 'reward/exact_match': 0.3125 } };
  expect(progressLine(status(scored), undefined, 200)).toContain('reward 0.500  exact_match 0.313  1:05 min');
  expect(plainLine(status(), status(scored))).toContain('step 4/15, reward 0.500, exact_match 0.313');
  const led = status({ ...scored, primaryMetric: 'reward', metrics: { 'reward/reward': 1 } });
  expect(progressLine(led, undefined, 200)).toContain('reward 0.500  1:05 min');
});

test('the line of a step says how long its rollouts were, what was learned from and how the learner fared', () => {
  const metrics = {
    loss: -0.01234,
    entropy: 0.1523,
    'sequence_length/mean': 211.4,
    'turns/mean': 4.13,
    'groups/kept': 14,
    'groups/opened': 16,
    'time/step': 12.4,
  };
  expect(plainLine(status(), status({ step: 4, rewardMean: 0.5, metrics }))).toBe(
    '[1:05 min] 1/3 tool-use: step 4/15, reward 0.500, loss -0.0123, entropy 0.152, 211 tokens, 4.1 turns, 14 of 16 groups kept, 12 s',
  );
});

test('P9: a held-out result is said once, with its interval, for each way of drawing', () => {
  const metrics = {
    'eval/sampled.exact_match': 0.26,
    'eval/sampled.exact_match.low': 0.2,
    'eval/sampled.exact_match.high': 0.33,
    'eval/greedy.exact_match': 0.615,
  };
  const evaluated = status({ metrics });
  expect(evaluationLine(status(), evaluated)).toBe(
    '[1:05 min] 1/3 tool-use: held out, exact_match sampled 0.260 (0.200..0.330), greedy 0.615',
  );
  expect(evaluationLine(evaluated, status({ step: 4, metrics: { ...metrics, loss: 1 } }))).toBeUndefined();
  expect(evaluationLine(undefined, status())).toBeUndefined();
});

test('on a terminal the lines of what happened stay above the live line', () => {
  const written: string[] = [];
  const terminal = { ...createTerminal(), interactive: true, columns: 80 };
  const progress = createProgress(
    {
      ...terminal,
      err: (line) => void written.push(`line ${String(line)}`),
      status: (line) => void written.push(line),
    },
    () => 0,
  );
  progress(status());
  progress(status({ step: 4, rewardMean: 0.5 }));
  expect(written).toEqual([
    'line [1:05 min] 1/3 tool-use: rollouts',
    expect.stringContaining('3/15'),
    'line [1:05 min] 1/3 tool-use: step 4/15, reward 0.500',
    expect.stringContaining('4/15'),
  ]);
});

test('the live line never wraps', () => {
  expect(progressLine(status({ stage: 'a'.repeat(80) }), 5, 40)).toHaveLength(39);
});

test('parts that are not known yet are left out', () => {
  const line = progressLine(status({ steps: 0, rolloutsExpected: 0, phase: Phase.UNSPECIFIED }), undefined, 200);
  expect(line).toBe('1/3 tool-use  starting  1:05 min');
});

test('plain output has a line per stage, step and evaluation, and nothing for the rest', () => {
  const first = status();
  expect(plainLine(undefined, first)).toBe('[1:05 min] 1/3 tool-use: rollouts');
  expect(plainLine(first, status({ rolloutsDone: 97 }))).toBeUndefined();
  expect(plainLine(first, status({ step: 4, rewardMean: 0.5 }))).toBe(
    '[1:05 min] 1/3 tool-use: step 4/15, reward 0.500',
  );
  expect(plainLine(first, status({ phase: Phase.EVALUATE }))).toBe('[1:05 min] 1/3 tool-use: evaluating');
  expect(plainLine(first, status({ phase: Phase.TRAIN }))).toBeUndefined();
});

test('the rate counts rollouts over the last ten seconds, across steps', () => {
  const meter = createRateMeter();
  expect(meter.observe(status({ rolloutsDone: 0 }), 0)).toBeUndefined();
  expect(meter.observe(status({ rolloutsDone: 40 }), 2_000)).toBe(20);
  // The next step counts from 0 again: ten more, not minus thirty.
  expect(meter.observe(status({ step: 4, rolloutsDone: 10 }), 5_000)).toBe(10);
  // What is older than ten seconds no longer counts.
  expect(meter.observe(status({ step: 4, rolloutsDone: 10 }), 14_000)).toBe(0);
});

test('a bar is full at the end and survives nonsense', () => {
  expect(bar(15, 15, 4)).toBe('[====]');
  expect(bar(20, 15, 4)).toBe('[====]');
  expect(bar(1, 0, 4)).toBe('[    ]');
});

test('durations read naturally', () => {
  expect([0, 412, 9_960, 59_400, 60_000, 3_599_000, 7_800_000].map(formatDuration)).toEqual([
    '0.0 s',
    '0.4 s',
    '10.0 s',
    '59 s',
    '1:00 min',
    '59:59 min',
    '2:10:00 h',
  ]);
});
