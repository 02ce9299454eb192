import { describe, expect, test, vi } from 'vitest';
import { cancelledFrom } from '#platform/errors.ts';
import { ended } from '#user-code/user-process.ts';
import { createProcessPool, type PoolOptions } from './process-pool.ts';
import type { ScorerProcess, StartedProcess, ScorerReply } from './scorer-process.ts';

const { signal } = new AbortController();
const crash = ended('crashed', 'its process ended');

/** A process that answers when it is asked to; a crash ends it. */
function scriptedProcess() {
  let alive = true;
  const asked: { request: object; answer: (outcome: ScorerReply | typeof crash) => void }[] = [];
  const scorer: ScorerProcess = {
    pid: 1,
    get alive() {
      return alive;
    },
    async ask(request) {
      const { promise, resolve } = Promise.withResolvers<ScorerReply | typeof crash>();
      asked.push({ request, answer: resolve });
      const outcome = await promise;
      if ('kind' in outcome) alive = false;
      return outcome;
    },
    async kill() {
      alive = false;
      for (const { answer } of asked) answer(ended('unavailable', 'the service stops'));
    },
  };
  return { scorer, asked, die: () => (alive = false) };
}

/** Pauses that end when the test says so, in the order in which they began. */
function scriptedPauses() {
  const begun: { milliseconds: number; end: () => void }[] = [];
  return {
    async pause(milliseconds: number, stopped: AbortSignal): Promise<void> {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      stopped.addEventListener('abort', () => reject(cancelledFrom(stopped.reason)), { once: true });
      begun.push({ milliseconds, end: resolve });
      await promise;
    },
    async end(milliseconds: number): Promise<void> {
      await vi.waitFor(() => expect(begun[0]?.milliseconds).toBe(milliseconds));
      begun.shift()?.end();
    },
  };
}

function poolOf(first: ScorerProcess, options: Partial<PoolOptions> = {}) {
  return createProcessPool(first, {
    processes: 1,
    timeoutMs: 1000,
    start: async () => scriptedProcess().scorer,
    onRestart: () => {},
    onBroken: () => {},
    onCircuit: () => {},
    ...options,
  });
}

describe('a pool of scorer processes', () => {
  test('gives a process one rollout at a time, in order of arrival', async () => {
    const { scorer, asked } = scriptedProcess();
    await using pool = poolOf(scorer);
    const replies = [1, 2, 3].map(async (id) => await pool.ask({ id }, signal));
    for (const id of [1, 2, 3]) {
      await vi.waitFor(() => expect(asked).toHaveLength(id));
      expect(asked.at(-1)?.request).toEqual({ id });
      asked.at(-1)?.answer({ id, score: id / 10 });
    }
    expect(await Promise.all(replies)).toEqual([1, 2, 3].map((id) => ({ id, score: id / 10 })));
  });

  test('drops what waits when its caller disconnects, and takes no notice of what is under way', async () => {
    const { scorer, asked } = scriptedProcess();
    await using pool = poolOf(scorer);
    const leaving = new AbortController();
    const [running, waiting] = [pool.ask({ id: 1 }, leaving.signal), pool.ask({ id: 2 }, leaving.signal)];
    const patient = pool.ask({ id: 3 }, signal);
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    leaving.abort();
    await expect(running).rejects.toMatchObject({ name: 'CancelledError' });
    await expect(waiting).rejects.toMatchObject({ name: 'CancelledError' });
    expect(pool.waiting).toBe(1);
    asked[0]?.answer({ id: 1, score: 1 });
    await vi.waitFor(() => expect(asked).toHaveLength(2));
    expect(asked[1]?.request).toEqual({ id: 3 });
    asked[1]?.answer({ id: 3, score: 0.5 });
    expect(await patient).toEqual({ id: 3, score: 0.5 });
  });

  test('hands on what an ended process was given, and replaces it', async () => {
    const first = scriptedProcess();
    const second = scriptedProcess();
    let restarts = 0;
    await using pool = poolOf(first.scorer, {
      start: async () => second.scorer,
      onRestart: () => (restarts += 1),
    });
    first.die();
    const reply = pool.ask({ id: 1 }, signal);
    await vi.waitFor(() => expect(second.asked).toHaveLength(1));
    second.asked[0]?.answer({ id: 1, score: 1 });
    expect(await reply).toEqual({ id: 1, score: 1 });
    expect(first.asked).toHaveLength(0);
    expect(restarts).toBe(1);
  });

  test('refuses rollouts once three starts in a row have failed, and takes them again once one succeeds', async () => {
    const first = scriptedProcess();
    const replacement = scriptedProcess();
    const reported: (string | undefined)[] = [];
    const pauses = scriptedPauses();
    let starts = 0;
    await using pool = poolOf(first.scorer, {
      async start(): Promise<StartedProcess> {
        starts += 1;
        return starts < 5 ? ended('unavailable', 'no module named numpy') : replacement.scorer;
      },
      onBroken: (detail) => reported.push(detail),
      pause: pauses.pause,
    });
    const lost = pool.ask({ id: 1 }, signal);
    await vi.waitFor(() => expect(first.asked).toHaveLength(1));
    first.asked[0]?.answer(crash);
    expect(await lost).toEqual(crash);
    const waiting = pool.ask({ id: 2 }, signal);
    await pauses.end(50);
    await pauses.end(100);
    await pauses.end(200);
    expect(await waiting).toMatchObject({
      reason: 'circuit_open',
      detail: 'its process failed to start 3 times in a row: no module named numpy',
    });
    expect(await pool.ask({ id: 3 }, signal)).toMatchObject({ reason: 'circuit_open' });
    expect(starts).toBe(3);
    await pauses.end(5000);
    await pauses.end(5000);
    await vi.waitFor(() => expect(reported).toEqual([expect.stringContaining('3 times'), undefined]));
    const scored = pool.ask({ id: 4 }, signal);
    await vi.waitFor(() => expect(replacement.asked).toHaveLength(1));
    replacement.asked[0]?.answer({ id: 4, score: 1 });
    expect(await scored).toEqual({ id: 4, score: 1 });
  });

  test('goes on with the processes that it has while others do not start', async () => {
    const { scorer, asked } = scriptedProcess();
    const reported: (string | undefined)[] = [];
    const pauses = scriptedPauses();
    await using pool = poolOf(scorer, {
      processes: 2,
      start: async () => ended('unavailable', 'no memory'),
      onBroken: (detail) => reported.push(detail),
      pause: pauses.pause,
    });
    const running = pool.ask({ id: 1 }, signal);
    const waiting = pool.ask({ id: 2 }, signal);
    await pauses.end(100);
    await pauses.end(200);
    await vi.waitFor(() => expect(reported).toEqual([expect.stringContaining('3 times')]));
    asked[0]?.answer({ id: 1, score: 1 });
    expect(await running).toEqual({ id: 1, score: 1 });
    await vi.waitFor(() => expect(asked).toHaveLength(2));
    const late = pool.ask({ id: 3 }, signal);
    asked[1]?.answer(crash);
    expect(await waiting).toEqual(crash);
    expect(await late).toMatchObject({ reason: 'circuit_open' });
    expect(await pool.ask({ id: 4 }, signal)).toMatchObject({ reason: 'circuit_open' });
  });

  test('stops asking when most rollouts cost it its process', async () => {
    const started: ReturnType<typeof scriptedProcess>[] = [scriptedProcess()];
    await using pool = poolOf(started[0]?.scorer ?? scriptedProcess().scorer, {
      async start() {
        const next = scriptedProcess();
        started.push(next);
        return next.scorer;
      },
      pause: async () => {},
    });
    for (let id = 1; id <= 20; id += 1) {
      const lost = pool.ask({ id }, signal);
      await vi.waitFor(() => expect(started[id - 1]?.asked).toHaveLength(1));
      started[id - 1]?.asked[0]?.answer(crash);
      expect(await lost).toEqual(crash);
    }
    expect(await pool.ask({ id: 21 }, signal)).toMatchObject({
      reason: 'circuit_open',
      detail: expect.stringContaining('most of the last rollouts'),
    });
  });

  test('ends its processes and settles what waits when it is disposed of', async () => {
    const { scorer, asked } = scriptedProcess();
    const pool = poolOf(scorer);
    const replies = [pool.ask({ id: 1 }, signal), pool.ask({ id: 2 }, signal)];
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    await pool[Symbol.asyncDispose]();
    expect(await Promise.all(replies)).toMatchObject([{ reason: 'unavailable' }, { reason: 'unavailable' }]);
    expect(scorer.alive).toBe(false);
    expect(await pool.ask({ id: 3 }, signal)).toMatchObject({ reason: 'unavailable' });
  });
});
