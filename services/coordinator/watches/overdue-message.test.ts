import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { WorkerStatusSchema } from '#proto/rollout/v1/worker_pb.ts';
import type { PendingWait } from '#platform/async/watchdog.ts';
import { overdueMessage } from './overdue-message.ts';
import type { CoordinatorWait } from './overdue-message.ts';

const groups = [
  { groupId: 'ab12cd34ef56', size: 8, missing: new Set(['task-3', 'task-4', 'task-5']) },
  { groupId: 'ffff0000', size: 8, missing: new Set(['task-9']) },
];
const late = (what: CoordinatorWait, subject: string, waitedMs = 42_000): PendingWait<CoordinatorWait> => ({
  what,
  subject,
  detail: '',
  waitedMs,
  expectedMs: 20_000,
});
const group = late('group', 'ab12cd34ef56');
const worker = (workerId: string, ...waits: [what: string, taskId: string, waitedMs: number, detail?: string][]) =>
  create(WorkerStatusSchema, {
    workerId,
    waits: waits.map(([what, taskId, waitedMs, detail = '']) => ({ what, taskId, detail, waitedMs: BigInt(waitedMs) })),
  });

describe('the message of an overdue run', () => {
  it('P3: names the group, how many of its samples are missing, and which worker is in which call since when', () => {
    const workers = [
      worker('rollout-1', ['tool', 'task-5', 300], ['policy.generate', 'of another group', 90_000]),
      worker('rollout-2', ['tool', 'task-4', 100], ['policy.generate', 'task-3', 40_000, 'turn 3']),
    ];
    expect(overdueMessage([group], groups, workers)).toBe(
      'waiting 42 s for 3 of 8 samples of group ab12cd34: rollout-2 is in policy.generate (turn 3) for 40 s',
    );
  });

  it('P3: names the group that has no scores, and what its judge says', () => {
    const wait = late('group.scoring', 'ab12cd34ef56');
    const what = 'preferred from judge main: circuit_open (6 of 6 comparisons are missing: circuit_open 6)';
    expect(overdueMessage([wait], [], [], [{ groupId: 'ab12cd34ef56', what }])).toBe(
      `waiting 42 s for the scores of group ab12cd34: ${what}`,
    );
    expect(overdueMessage([wait], [], [])).toBe('waiting 42 s for the scores of group ab12cd34');
  });

  it('says when no worker holds what is waited for, and nothing of workers when they cannot be asked', () => {
    expect(overdueMessage([group], groups, [worker('rollout-1', ['tool', 'task-1', 5])])).toBe(
      'waiting 42 s for 3 of 8 samples of group ab12cd34: none of 1 workers says that it holds one',
    );
    expect(overdueMessage([group], groups, undefined)).toBe('waiting 42 s for 3 of 8 samples of group ab12cd34');
  });

  it('names the learner and the engines with the step, and counts what else is overdue', () => {
    expect(overdueMessage([late('learner.open', '4')], groups, [])).toBe(
      'waiting 42 s for the learner to open the run',
    );
    expect(overdueMessage([late('learner.train', '4')], groups, [])).toBe(
      'waiting 42 s for the learner to train step 4',
    );
    expect(overdueMessage([late('policy.load', '4'), group], groups, [])).toBe(
      'waiting 42 s for the engines to load the weights of step 4; 1 more overdue',
    );
  });

  it('says first that no worker is alive, even if something else is overdue for longer', () => {
    expect(overdueMessage([group, late('worker', '', 12_000)], groups, [])).toBe(
      'waiting 12 s for 4 samples: no worker is alive; 1 more overdue',
    );
  });

  it('is empty when nothing is overdue', () => {
    expect(overdueMessage([], groups, [worker('rollout-1', ['tool', 'task-3', 300])])).toBe('');
  });
});
