import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ScoreResponseSchema } from '#proto/reward/v1/reward_pb.ts';
import { TerminalError, TransientError } from '#platform/errors.ts';
import type { CallOptions } from '#platform/grpc/client.ts';
import { createScoreBatcher, type ScoreItem } from './score-batcher.ts';

const { signal } = new AbortController();

type Given = { id: string; components?: Record<string, number>; absent?: Record<string, string> };

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

const zero = async (items: ScoreItem[]) => items.map(({ id }, at) => ({ id: id ?? '', components: { at: at / 10 } }));
const all = (batcher: ReturnType<typeof createScoreBatcher>, ids: readonly string[]) =>
  Promise.allSettled(ids.map((id) => batcher.score({ id }, signal)));

describe('score batcher', () => {
  it('sends what comes together in one call, up to its size, and gives each caller its own score', async () => {
    const { batcher, batches } = batcherOf(zero);
    const scores = await all(batcher, ['a', 'b', 'c', 'd']);
    expect(batches).toEqual([['a', 'b', 'c'], ['d']]);
    expect(
      scores.map((score) => (score.status === 'fulfilled' ? [score.value.id, score.value.components['at']] : [])),
    ).toEqual([
      ['a', 0],
      ['b', 0.1],
      ['c', 0.2],
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
      throw new TransientError('unavailable', 'down');
    });
    expect(await all(batcher, ['a', 'b'])).toMatchObject([
      { status: 'rejected', reason: { code: 'unavailable' } },
      { status: 'rejected', reason: { code: 'unavailable' } },
    ]);
  });

  it.each([
    ['too few', []],
    ['another id', [{ id: 'x' }]],
    ['a component that is not a number', [{ id: 'a', components: { f1: Number.NaN } }]],
    ['a component above 1', [{ id: 'a', components: { f1: 1.5 } }]],
  ])('P2: takes an answer with %s for a failure, not for a reward', async (_name, scores) => {
    const { batcher } = batcherOf(async () => scores);
    expect(await all(batcher, ['a'])).toMatchObject([{ status: 'rejected', reason: { code: 'internal' } }]);
  });

  it('P2: passes on what is absent, with the reasons', async () => {
    const { batcher } = batcherOf(async () => [{ id: 'a', absent: { judged: 'unparsable' } }]);
    expect(await all(batcher, ['a'])).toMatchObject([
      { status: 'fulfilled', value: { components: {}, absent: { judged: 'unparsable' } } },
    ]);
  });

  it('sends an item that others should not wait for in a call of its own, with its own deadline and signal', async () => {
    const calls: { ids: (string | undefined)[]; options: CallOptions | undefined }[] = [];
    const batcher = createScoreBatcher(
      async (items, options) => {
        calls.push({ ids: items.map(({ id }) => id), options });
        return create(ScoreResponseSchema, { scores: items.map(({ id }) => ({ id: id ?? '' })) });
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

  it('P3: lets a caller go that no longer waits', async () => {
    const { batcher } = batcherOf(() => new Promise(() => {}));
    const controller = new AbortController();
    const score = batcher.score({ id: 'a' }, controller.signal);
    controller.abort();
    await expect(score).rejects.toMatchObject({ name: 'CancelledError' });
  });
});
