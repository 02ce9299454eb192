import { expect, test } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { watchRun } from './watch-run.ts';

const lease = { holder: 'other', address: '127.0.0.1:1', epoch: 1 };

test.each([
  ['this coordinator', { own: ['r'], leader: undefined }],
  ['another coordinator', { own: [], leader: lease }],
])('P9: the end of a run is said when %s has written its files, not before', async (_who, holding) => {
  let held = true;
  let looks = 0;
  const registry = {
    driven: () => undefined,
    own: () => (held ? holding.own : []),
    leader: () => Promise.resolve(held ? (holding.leader as never) : undefined),
    status() {
      looks += 1;
      held = looks < 3;
      return Promise.resolve({ runId: 'r', state: looks === 1 ? RunState.RUNNING : RunState.FAILED });
    },
  };
  const states: unknown[] = [];
  for await (const { state } of watchRun(registry, 'r', new AbortController().signal)) states.push(state);
  expect(states).toEqual([RunState.RUNNING, RunState.FAILED]);
  expect(looks).toBe(3);
});
