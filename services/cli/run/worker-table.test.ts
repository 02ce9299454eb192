import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { WorkerStatusSchema } from '#proto/rollout/v1/worker_pb.ts';
import { formatWorkers } from './worker-table.ts';

const wait = (what: string, waitedMs: number, taskId = 'ab12cd34ab12cd34ab12', detail = '') => ({
  what,
  taskId,
  detail,
  waitedMs: BigInt(waitedMs),
  expectedMs: 10_000n,
});

const worker = (workerId: string, waits: ReturnType<typeof wait>[], overdue = 0) =>
  create(WorkerStatusSchema, { workerId, held: waits.length, limit: 256, waits, overdue });

test('each worker shows what it holds, what it waits for, and its longest wait', () => {
  const text = formatWorkers([
    worker('rollout-1', [wait('tool', 100), wait('policy.generate', 2_000), wait('policy.generate', 900)]),
    worker('rollout-2', []),
  ]).join('\n');
  expect(text).toMatch(/rollout-1 +│ +3\/256 │ policy\.generate 2, tool 1 +│ policy\.generate 2(\.0)? ?s/);
  expect(text).toMatch(/rollout-2 +│ +0\/256/);
  expect(text).not.toContain('overdue:');
});

test('P3: what is overdue is named with its worker, its call and its task', () => {
  const late = wait('policy.generate', 40_000, 'ab12cd34ab12cd34ab12', 'turn 3');
  const text = formatWorkers([worker('rollout-2', [late, wait('tool', 5_000)], 1)]).join('\n');
  expect(text).toContain('overdue: rollout-2 is in policy.generate (turn 3) of ab12cd34ab12 for 40');
  expect(text).not.toContain('more overdue');
});

test('many overdue waits are counted after the worst five', () => {
  const waits = Array.from({ length: 9 }, (_, index) => wait('reward.score', 20_000 + index * 1_000, `task-${index}`));
  const lines = formatWorkers([worker('rollout-1', waits, 70)]);
  expect(lines.filter((line) => line.startsWith('overdue:'))).toHaveLength(5);
  expect(lines.find((line) => line.startsWith('overdue:'))).toContain('task-8');
  expect(lines.at(-1)).toBe('and 65 more overdue');
});
