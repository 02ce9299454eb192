import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { EngineLoadSchema, GenerateResponseSchema, type GenerateResponse } from '#proto/policy/v1/policy_pb.ts';
import { TransientError } from '#platform/errors.ts';
import { createConcurrencyLimit } from './concurrency-limit.ts';
import { decideConcurrency, type EngineSignals } from './decide-concurrency.ts';

const calm: EngineSignals = { waiting: 0, capacity: 64, kvUsedRatio: 0.2, preempted: 0, refused: 0 };

describe('decideConcurrency', () => {
  it('grows by a fixed step while the limit is what holds the worker back, up to the bound', () => {
    expect(decideConcurrency({ limit: 64, held: 64, max: 256 }, calm)).toEqual({ limit: 72, reason: 'room' });
    expect(decideConcurrency({ limit: 250, held: 250, max: 256 }, calm)).toEqual({ limit: 256, reason: 'room' });
    expect(decideConcurrency({ limit: 256, held: 256, max: 256 }, calm)).toEqual({ limit: 256 });
    expect(decideConcurrency({ limit: 1, held: 1, max: 4 }, calm)).toEqual({ limit: 2, reason: 'room' });
  });

  it('stays while there are fewer tasks than the limit allows', () => {
    expect(decideConcurrency({ limit: 64, held: 10, max: 256 }, calm)).toEqual({ limit: 64 });
  });

  it.each([
    ['refused', { refused: 1 }, 50],
    ['preemption', { preempted: 2 }, 70],
    ['kv_full', { kvUsedRatio: 0.95 }, 85],
    ['queue', { waiting: 33 }, 85],
  ] as const)('shrinks by its share on %s', (reason, sign, limit) => {
    expect(decideConcurrency({ limit: 100, held: 100, max: 256 }, { ...calm, ...sign })).toEqual({ limit, reason });
  });

  it('starts from what it holds when that is less than the limit, and never goes below one', () => {
    const full = { ...calm, refused: 1 };
    expect(decideConcurrency({ limit: 256, held: 40, max: 256 }, full).limit).toBe(20);
    expect(decideConcurrency({ limit: 1, held: 1, max: 256 }, full).limit).toBe(1);
  });

  it('waits until a decrease has taken effect before the next', () => {
    expect(decideConcurrency({ limit: 50, held: 90, max: 256 }, { ...calm, waiting: 64 })).toEqual({ limit: 50 });
  });

  it('lets a short line be: it keeps engines busy', () => {
    expect(decideConcurrency({ limit: 64, held: 64, max: 256 }, { ...calm, waiting: 30 }).reason).toBe('room');
    expect(decideConcurrency({ limit: 64, held: 64, max: 256 }, { ...calm, waiting: 900, capacity: 0 }).reason).toBe(
      'room',
    );
  });
});

describe('concurrency limit', () => {
  function limitOf(held: () => number) {
    let nowMs = 0;
    const changes: [number, string][] = [];
    const limit = createConcurrencyLimit({
      max: 100,
      everyMs: 500,
      now: () => nowMs,
      held,
      onChange: (to, reason) => changes.push([to, reason]),
    });
    const hear = async (answer: () => Promise<GenerateResponse>): Promise<void> => {
      nowMs += 500;
      await limit
        .watch(answer)()
        .catch(() => undefined);
    };
    const say = (load: object) =>
      hear(async () => create(GenerateResponseSchema, { load: create(EngineLoadSchema, load) }));
    return { limit, changes, say, hear, sameMoment: () => (nowMs -= 500) };
  }

  it('settles where engines with room for 20 have neither a long line nor idle places', async () => {
    let held = 100;
    const { limit, say } = limitOf(() => held);
    const seen: number[] = [];
    for (let round = 0; round < 60; round += 1) {
      held = Math.min(100, limit.current);
      await say({ capacity: 20, running: Math.min(20, held), waiting: Math.max(0, held - 20) });
      if (round > 20) seen.push(limit.current);
    }
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(20);
    expect(Math.max(...seen)).toBeLessThanOrEqual(35);
  });

  it('counts refusals and new preemptions, not those of before', async () => {
    const { changes, say, hear } = limitOf(() => 100);
    await say({ capacity: 200, preemptions: 7n });
    expect(changes).toEqual([]);
    await hear(async () => await Promise.reject(new TransientError('resource_exhausted', 'full')));
    expect(changes).toEqual([[50, 'refused']]);
  });

  it('shrinks on a preemption and takes a restarted engine for what it is', async () => {
    const { changes, say } = limitOf(() => 100);
    await say({ capacity: 200, preemptions: 7n });
    await say({ capacity: 200, preemptions: 2n });
    expect(changes).toEqual([]);
    await say({ capacity: 200, preemptions: 3n });
    expect(changes).toEqual([[70, 'preemption']]);
  });

  it('decides at most once per interval', async () => {
    const { changes, say, sameMoment } = limitOf(() => 40);
    await say({ capacity: 10, waiting: 90 });
    sameMoment();
    await say({ capacity: 10, waiting: 90 });
    expect(changes).toEqual([[34, 'queue']]);
  });
});
