import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Gate } from '../../../tests/fixtures/gated-search-thread/gated-search-thread.ts';
import { decodeHits } from './encoded-hits.ts';
import { startSearchPool, type SearchJob, type SearchPool } from './search-pool.ts';
import { startThreadExecutor } from './thread-executor.ts';

const entry = new URL('../../../tests/fixtures/gated-search-thread/gated-search-thread.ts', import.meta.url);

let gate: Gate;
let lost: string[];
let pool: SearchPool<Gate>;

async function start(executors: number, mostBatchMs = 600_000): Promise<void> {
  pool = startSearchPool<Gate>({
    startExecutor: () => startThreadExecutor(entry),
    executors,
    maxBatch: 32,
    mostBatchMs,
    onExecutorLost: ({ message }) => lost.push(message),
  });
  await pool.open(1, gate);
}

function open(): void {
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
}

/** Until a number of searches have come to the gate. */
async function atGate(count: number): Promise<void> {
  while (Atomics.load(gate, 1) < count) await nextTurn();
}

interface Asked {
  readonly job: SearchJob;
  readonly answer: Promise<string>;
  leave(): void;
  readonly state: { dropped: boolean; started: boolean };
}

function ask(query: string): Asked {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  promise.catch(() => {});
  const state = { dropped: false, started: false };
  let here = true;
  return {
    answer: promise,
    state,
    leave: () => void (here = false),
    job: {
      kind: 'search',
      task: { generation: 1, query, mode: 'lexical', topK: 1, withText: false },
      wanted: () => here,
      dropped: () => void (state.dropped = true),
      started: () => void (state.started = true),
      failed: reject,
      found: (hits) => resolve(decodeHits(hits)[0]?.id ?? ''),
    },
  };
}

function pushAll(asked: readonly Asked[]): void {
  for (const { job } of asked) pool.push([job]);
}

describe('a pool of search threads', () => {
  beforeEach(() => {
    gate = new Int32Array(new SharedArrayBuffer(12));
    lost = [];
  });
  afterEach(async () => {
    open();
    await pool.stop();
  });

  test('work gathers while threads are busy, and each caller gets its own answer', async () => {
    await start(2);
    const held = [ask('wait a'), ask('wait b')];
    pushAll(held);
    await atGate(2);
    expect(pool.busyExecutors).toBe(2);
    const more = Array.from({ length: 100 }, (_, at) => ask(`plain ${at}`));
    pushAll(more);
    await nextTurn();
    expect(pool.waiting).toBe(100);
    expect(more.some(({ state }) => state.started)).toBe(false);
    open();
    expect(await Promise.all([...held, ...more].map(({ answer }) => answer))).toEqual([
      'wait a',
      'wait b',
      ...more.map((_, at) => `plain ${at}`),
    ]);
    expect(pool.waiting).toBe(0);
  });

  test('what nobody waits for any more is not begun', async () => {
    await start(1);
    const first = ask('wait');
    const left = ask('left');
    const stays = ask('stays');
    pushAll([first]);
    await atGate(1);
    pushAll([left, stays]);
    left.leave();
    open();
    expect(await stays.answer).toBe('stays');
    expect(left.state).toEqual({ dropped: true, started: false });
  });

  test('a sweep empties the queue of what was given up, while threads are busy', async () => {
    await start(1);
    pushAll([ask('wait')]);
    await atGate(1);
    const given = Array.from({ length: 50 }, () => ask('given up'));
    pushAll(given);
    for (const one of given) one.leave();
    pool.sweep();
    expect(pool.waiting).toBe(0);
    expect(given.every(({ state }) => state.dropped)).toBe(true);
  });

  test('a thread that dies is replaced, and what it worked on is run again', async () => {
    await start(1);
    const first = ask('wait');
    pushAll([first]);
    await atGate(1);
    const batch = [ask('one'), ask('die once'), ask('two')];
    pushAll(batch);
    open();
    expect(await Promise.all(batch.map(({ answer }) => answer))).toEqual(['one', 'die once', 'two']);
    expect(lost).toEqual([expect.stringMatching(/a search thread was lost: it ended with code 7/)]);
  });

  test('a query that kills every thread fails alone, after the second', async () => {
    await start(1);
    pushAll([ask('wait')]);
    await atGate(1);
    const [one, poison, two] = [ask('one'), ask('die'), ask('two')];
    pushAll([one, poison, two]);
    open();
    expect(await Promise.all([one.answer, two.answer])).toEqual(['one', 'two']);
    await expect(poison.answer).rejects.toMatchObject({ name: 'TerminalError', code: 'internal' });
    await expect(poison.answer).rejects.toThrow(/two search threads were lost.*ended with code 7/);
    expect(Atomics.load(gate, 2)).toBe(2);
    const after = ask('after');
    pushAll([after]);
    expect(await after.answer).toBe('after');
  });

  test('P3: a search that never ends costs its thread, and its caller an error', async () => {
    await start(1, 1_500);
    const endless = ask('wait forever');
    pushAll([endless]);
    await expect(endless.answer).rejects.toMatchObject({ name: 'TerminalError', code: 'internal' });
    await expect(endless.answer).rejects.toThrow(/two search threads were lost.*a batch took longer than 1500 ms/);
    expect(Atomics.load(gate, 1)).toBe(2);
    open();
    const after = ask('after');
    pushAll([after]);
    expect(await after.answer).toBe('after');
  });

  test('a search that throws fails its caller only', async () => {
    await start(1);
    const [bad, good] = [ask('throw it'), ask('good')];
    pushAll([bad, good]);
    await expect(bad.answer).rejects.toThrow('no luck with throw it');
    expect(await good.answer).toBe('good');
    expect(lost).toEqual([]);
  });

  test('a stop fails what waits, as something to try elsewhere', async () => {
    await start(1);
    pushAll([ask('wait')]);
    await atGate(1);
    const waiting = ask('waiting');
    pushAll([waiting]);
    await pool.stop();
    await expect(waiting.answer).rejects.toMatchObject({ code: 'unavailable' });
  });
});
