import { expect, test } from 'vitest';
import type { Exit } from './child-service.ts';
import { backoffMs, superviseService } from './supervise-service.ts';
import type { Running } from './supervise-service.ts';

interface FakeProcess extends Running<{ port: number }> {
  die(exit: Exit): void;
}

/** Processes that live and die on command; `refuse` says which starts (from 0) fail. */
function createFakeStarter(refuse: (attempt: number) => boolean = () => false) {
  const started: FakeProcess[] = [];
  const asked: ({ port: number } | undefined)[] = [];
  let attempt = 0;
  const start = async (at: { port: number } | undefined): Promise<FakeProcess> => {
    asked.push(at);
    if (refuse(attempt++)) throw new Error('the port is in use');
    const { promise, resolve } = Promise.withResolvers<Exit>();
    const process: FakeProcess = {
      pid: 100 + started.length,
      addresses: at ?? { port: 4000 },
      exited: promise,
      die: resolve,
      stop: async () => resolve({ code: 0, signal: null }),
    };
    started.push(process);
    return process;
  };
  return { started, asked, start };
}

type Starter = Pick<Parameters<typeof superviseService<{ port: number }>>[0], 'start'>;

function supervise(starter: Starter, now: () => number = () => 0) {
  const log: string[] = [];
  const waits: number[] = [];
  const givenUp = Promise.withResolvers<Error>();
  const service = superviseService<{ port: number }>({
    label: 'retrieval',
    start: starter.start,
    signal: new AbortController().signal,
    now,
    wait: async (milliseconds) => void waits.push(milliseconds),
    onGivenUp: givenUp.resolve,
    events: {
      died: (label, exit) => log.push(`${label} died ${exit.signal ?? exit.code}`),
      restarted: (label, pid) => log.push(`${label} restarted ${pid}`),
      restartFailed: (_label, error) => log.push(`failed: ${error.message}`),
    },
  });
  return { service, log, waits, givenUp: givenUp.promise };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('the condition did not come true within 60 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a service that dies is started again at the address it had', async () => {
  const starter = createFakeStarter();
  const { service, log } = supervise(starter);
  const supervised = await service;
  starter.started[0]?.die({ code: null, signal: 'SIGKILL' });
  await until(() => log.length === 2);
  expect(log).toEqual(['retrieval died SIGKILL', 'retrieval restarted 101']);
  expect(starter.asked).toEqual([undefined, { port: 4000 }]);
  expect(supervised.pid).toBe(101);
  expect(supervised.restarts).toBe(1);
  await supervised.stop(1_000);
});

test('restarts back off from 200 ms to 10 s and give up after eight deaths in a row', async () => {
  const starter = createFakeStarter((attempt) => attempt > 0);
  const { service, waits, givenUp } = supervise(starter);
  await service;
  starter.started[0]?.die({ code: 1, signal: null });
  expect((await givenUp).message).toBe('the port is in use');
  expect(waits).toEqual([200, 400, 800, 1600, 3200, 6400, 10_000]);
  expect(backoffMs(20)).toBe(10_000);
});

test('a healthy time between two deaths starts the count again', async () => {
  let clock = 0;
  const starter = createFakeStarter();
  const { service, waits, log } = supervise(starter, () => clock);
  const supervised = await service;
  starter.started[0]?.die({ code: 1, signal: null });
  await until(() => log.length === 2);
  clock += 60_000;
  starter.started[1]?.die({ code: 1, signal: null });
  await until(() => log.length === 4);
  expect(waits).toEqual([200, 200]);
  await supervised.stop(1_000);
});

test('a service that is stopped on purpose is not started again', async () => {
  const starter = createFakeStarter();
  const { service, log } = supervise(starter);
  await (await service).stop(1_000);
  expect(starter.started).toHaveLength(1);
  expect(log).toEqual([]);
});

test('P3: a service that is stopped while it starts again is ended, and the stop does not wait for ever', async () => {
  const starter = createFakeStarter();
  const begun = Promise.withResolvers<AbortSignal>();
  const ready = Promise.withResolvers<undefined>();
  const { service } = supervise({
    ...starter,
    start: async (at, signal) => {
      if (at !== undefined) {
        begun.resolve(signal);
        await ready.promise;
      }
      return await starter.start(at);
    },
  });
  const supervised = await service;
  starter.started[0]?.die({ code: null, signal: 'SIGKILL' });
  const starting = await begun.promise;
  const stopped = supervised.stop(1_000);
  expect(starting.aborted).toBe(true);
  ready.resolve(undefined);
  await stopped;
  expect(starter.started).toHaveLength(2);
  expect(await starter.started[1]?.exited).toEqual({ code: 0, signal: null });
});

test('a first start that fails is the error of the caller, not a restart', async () => {
  const { service } = supervise(createFakeStarter(() => true));
  await expect(service).rejects.toThrow('the port is in use');
});
