import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { WorkerStatusSchema } from '#proto/rollout/v1/worker_pb.ts';
import { createGroupCollector } from '../groups/group-collector.ts';
import { createLostTaskSearch } from './watch-lost-tasks.ts';
import { goldRow } from '../../../tests/fixtures/gold-item.ts';

const { signal } = new AbortController();

/** A group of two whose tasks are published, and what the search is given of them. */
function searchUnderTest() {
  const collector = createGroupCollector({
    onDeadline: 'retry',
    attempts: 1,
    groupMs: 3_600_000,
    version: 0,
    maxStaleness: 0,
    retryAfterMs: 100,
  });
  const row = goldRow({});
  const { samples } = collector.add({ groupId: 'g', draw: 0, row, taskIds: ['a', 'b'], seed: 0n }, 0);
  for (const sample of samples) sample.publishedMs = 0;
  const given = { nowMs: 0, queued: ['b'], held: [''], isRead: true };
  const search = createLostTaskSearch(
    {
      now: () => given.nowMs,
      progress: { current: { gatherings: () => [{ collector }] }, update: () => undefined },
      publisher: {
        queued: async () => given.queued.length,
        outstanding: async () => new Map(given.queued.map((taskId) => [taskId, 0])),
      },
      intake: { isRead: async () => given.isRead },
      events: { tasksLost: () => undefined },
      log: { warn: () => undefined, debug: () => undefined },
    },
    {
      workers: async () => [
        create(WorkerStatusSchema, { workerId: 'w', waits: given.held.map((taskId) => ({ taskId })) }),
      ],
    },
  );
  async function lookFor(ms: number): Promise<void> {
    for (const untilMs = given.nowMs + ms; given.nowMs < untilMs; given.nowMs += 2_000) await search.look(signal);
  }
  return { given, lookFor, states: () => samples.map(({ state, attempt }) => `${state} ${attempt}`) };
}

describe('the search for lost tasks', () => {
  it('P10: hands out again what is neither queued nor held, and leaves what is queued', async () => {
    const { lookFor, states } = searchUnderTest();
    await lookFor(10_000);
    expect(states()).toEqual(['open 0', 'open 0']);
    await lookFor(6_000);
    expect(states()).toEqual(['waiting 1', 'open 0']);
  });

  it('leaves what a worker says that it holds', async () => {
    const { given, lookFor, states } = searchUnderTest();
    given.held = ['a'];
    await lookFor(600_000);
    expect(states()).toEqual(['open 0', 'open 0']);
  });

  it('P1: takes no task for lost whose result may lie unread', async () => {
    const { given, lookFor, states } = searchUnderTest();
    given.isRead = false;
    await lookFor(600_000);
    expect(states()).toEqual(['open 0', 'open 0']);
    given.isRead = true;
    await lookFor(6_000);
    expect(states()).toEqual(['waiting 1', 'open 0']);
  });
});
