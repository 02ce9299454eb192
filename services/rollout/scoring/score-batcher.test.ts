import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ScoreResponseSchema } from '#proto/reward/v1/reward_pb.ts';
import { TerminalError, TransientError } from '#shared/errors.ts';
import type { CallOptions } from '#shared/grpc/client.ts';
import { createScoreBatcher, type ScoreItem } from './score-batcher.ts';

const { signal } = new AbortController();

type Given = { id: string; total: number; absent?: Record<string, string> };

function batcherOf(score: (items: ScoreItem[]) => Promise<Given[]>, maxItems = 3) {
  const batches: (string | undefined)[][] = [];
  const batcher = createScoreBatcher(
    async (items) => {
      batches.push(items.map(({ id }) => id));
      return create(ScoreResponseSchema, { scores: await score(items) });
    },
    { maxItems, maxWaitMs: 5 },
  );
  return { batcher, batches };
}

const zero = async (items: ScoreItem[]) => items.map(({ id }, total) => ({ id: id ?? '', total }));
const all = (batcher: ReturnType<typeof createScoreBatcher>, ids: readonly string[]) =>
  Promise.allSettled(ids.map((id) => batcher.score({ id }, signal)));

describe('score batcher', () => {
  it('sends what comes together in one call, up to its size, and gives each caller its own score', async () => {
    const { batcher, batches } = batcherOf(zero);
    const scores = await all(batcher, ['a', 'b', 'c', 'd']);
    expect(batches).toEqual([['a', 'b', 'c'], ['d']]);
    expect(scores.map((score) => (score.status === 'fulfilled' ? [score.value.id, score.value.total] : []))).toEqual([
      ['a', 0],
      ['b', 1],
      ['c', 2],
      ['d', 0],
    ]);
  });

  it('asks again one by one when a batch is refused, so that only the bad item fails', async () => {
    const { batcher, batches } = batcherOf(async (items) => {
      if (items.some(({ id }) => id === 'bad')) throw new TerminalError('invalid_argument', 'items[1]: unknown scorer');
      return await zero(items);
    });
    expect((await all(batcher, ['a', 'bad', 'c'])).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(batches).toHaveLength(4);
  });

  it('P2: fails every item of a call that failed', async () => {
    const { batcher } = batcherOf(async () => {
      throw new TransientError('unavailable', 'away');
    });
    expect(await all(batcher, ['a', 'b'])).toMatchObject([
      { status: 'rejected', reason: { code: 'unavailable' } },
      { status: 'rejected', reason: { code: 'unavailable' } },
    ]);
  });

  it.each([
    ['too few', []],
    ['another id', [{ id: 'x', total: 1 }]],
    ['a total that is no number', [{ id: 'a', total: Number.NaN }]],
  ])('P2: takes an answer with %s for a failure, not for a reward', async (_name, scores) => {
    const { batcher } = batcherOf(async () => scores);
    expect(await all(batcher, ['a'])).toMatchObject([{ status: 'rejected', reason: { code: 'internal' } }]);
  });

  it('P2: an absent total is a failure of the platform that is tried again, never a reward of 0', async () => {
    const { batcher } = batcherOf(async () => [
      { id: 'a', total: 0 },
      { id: 'b', total: NaN, absent: { judged: 'unparsable', other: 'unavailable' } },
    ]);
    expect(await all(batcher, ['a', 'b'])).toMatchObject([
      { status: 'fulfilled', value: { total: 0 } },
      {
        status: 'rejected',
        reason: {
          name: 'TransientError',
          code: 'unavailable',
          message: 'no reward without judged (unparsable), other (unavailable)',
        },
      },
    ]);
  });

  it.each(['unavailable', 'rate_limited', 'circuit_open'])(
    'P2: a judge that is %s is waited for as a busy peer, so that the tokens are not played again',
    async (reason) => {
      const { batcher } = batcherOf(async () => [{ id: 'a', total: NaN, absent: { judged: reason } }]);
      expect(await all(batcher, ['a'])).toMatchObject([
        { status: 'rejected', reason: { code: 'resource_exhausted', retryAfterMs: 1_000 } },
      ]);
    },
  );

  it('sends an item that others should not wait for in a call of its own, with its own deadline and signal', async () => {
    const calls: { ids: (string | undefined)[]; options: CallOptions | undefined }[] = [];
    const batcher = createScoreBatcher(
      async (items, options) => {
        calls.push({ ids: items.map(({ id }) => id), options });
        return create(ScoreResponseSchema, { scores: items.map(({ id }) => ({ id: id ?? '', total: 1 })) });
      },
      { maxItems: 3, maxWaitMs: 5 },
    );
    const waiting = batcher.score({ id: 'ruled' }, signal);
    await batcher.scoreAlone({ id: 'judged' }, { signal, timeoutMs: 1234 });
    await waiting;
    expect(calls).toEqual([
      { ids: ['judged'], options: { signal, timeoutMs: 1234 } },
      { ids: ['ruled'], options: undefined },
    ]);
  });

  it('P2: an absent total of such a call is a failure that is tried again, too', async () => {
    const { batcher } = batcherOf(async () => [{ id: 'a', total: NaN, absent: { judged: 'timeout' } }]);
    await expect(batcher.scoreAlone({ id: 'a' }, { signal, timeoutMs: 1 })).rejects.toMatchObject({
      name: 'TransientError',
      message: 'no reward without judged (timeout)',
    });
  });

  it('P3: lets a caller go that no longer waits', async () => {
    const { batcher } = batcherOf(() => new Promise(() => {}));
    const controller = new AbortController();
    const score = batcher.score({ id: 'a' }, controller.signal);
    controller.abort();
    await expect(score).rejects.toMatchObject({ name: 'CancelledError' });
  });
});
