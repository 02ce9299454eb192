import { expect, test } from 'vitest';
import { type Measured, spreadOf, summarise } from './summarise.ts';

const measured = (cpuMsPerRollout: number, spans = 0): Measured => ({
  cpuMsPerRollout,
  rolloutsPerSecond: 100,
  collectorCpuMsPerRollout: 0,
  cpuMsByService: { rollout: cpuMsPerRollout / 2 },
  tracedRollouts: spans / 10,
  spans,
  coresOfOthers: 0,
});

test('a ratio is of the same round, so that a machine that is slower for a round changes none', () => {
  const rounds = [
    { off: measured(10), all: measured(11, 30) },
    { off: measured(20), all: measured(22, 30) },
  ];
  const [off, all] = summarise(rounds, 'off');
  expect(off?.cpuRatio).toEqual({ median: 1, least: 1, most: 1 });
  expect(all?.cpuRatio).toEqual({ median: 1.1, least: 1.1, most: 1.1 });
  expect(all?.cpuMsMoreByService).toEqual({ rollout: { median: 0.75, least: 0.5, most: 1 } });
  expect(all?.spansPerTracedRollout).toBe(10);
});

test('a spread has the middle of an odd and of an even number of values', () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3 });
  expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, least: 1, most: 4 });
});
