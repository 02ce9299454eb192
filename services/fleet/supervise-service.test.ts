import { expect, test } from 'vitest';
import { TerminalError, TransientError } from '#platform/errors.ts';
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
      kill: () => resolve({ code: null, signal: 'SIGKILL' }),
    };
    started.push(process);
    return process;
  };
  return { started, asked, start };
}

type Options = Parameters<typeof superviseService<{ port: number }>>[0];
type Optional = 'health' | 'untilStartable' | 'wait' | 'replaceGraceMs' | 'killedWithinMs';
type Starter = Pick<Options, 'start'> & Partial<Pick<Options, Optional>>;

function supervise(starter: Starter, now: () => number = () => 0) {
  const log: string[] = [];
  const waits: number[] = [];
  const givenUp = Promise.withResolvers<Error>();
  const service = superviseService<{ port: number }>({
    label: 'retrieval',
    ...starter,
    signal: new AbortController().signal,
    now,
    wait: starter.wait ?? (async (milliseconds) => void waits.push(milliseconds)),
    onGivenUp: givenUp.resolve,
    events: {
      hung: (label, { silentMs }) => log.push(`${label} hung ${silentMs}`),
      notServing: (label, forMs) => log.push(`${label} does not serve ${forMs}`),
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

test('P3: a service that is stopped while it starts again is ended, and the stop does not wait forever', async () => {
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

/** Answers by `answer`, asked with a clock that only its waits move. */
function createProbed(answer: () => Promise<'serving' | 'not_serving'>) {
  let clock = 0;
  const wait = async (milliseconds: number): Promise<void> => {
    clock += milliseconds;
    await new Promise((resolve) => setImmediate(resolve));
  };
  const probe = () => ({ ask: answer, [Symbol.dispose]: () => undefined });
  return { now: () => clock, wait, health: { probe, hungAfterMs: 12_000 } };
}

test('P10: a service that lives and does not answer is killed, said and started again', async () => {
  const starter = createFakeStarter();
  let isFrozen = false;
  const probed = createProbed(() => (isFrozen ? new Promise(() => undefined) : Promise.resolve('serving')));
  const { service, log } = supervise({ ...starter, ...probed }, probed.now);
  const supervised = await service;
  isFrozen = true;
  await until(() => log.length >= 1);
  isFrozen = false;
  await until(() => log.length >= 2);
  expect(log).toEqual(['retrieval hung 12000', 'retrieval restarted 101']);
  expect(await starter.started[0]?.exited).toEqual({ code: null, signal: 'SIGKILL' });
  await supervised.stop(1_000);
});

test('P10: a service that hangs after each start is given up like one that dies', async () => {
  const starter = createFakeStarter();
  const probed = createProbed(() => new Promise(() => undefined));
  const { service, log, givenUp } = supervise({ ...starter, ...probed }, probed.now);
  await service;
  expect((await givenUp).message).toBe('retrieval died or hung 8 times in a row');
  expect(log.filter((line) => line === 'retrieval hung 12000')).toHaveLength(8);
});

test('P10: a service that hangs and cannot be killed is reported, and given up with its process id and where to look', async () => {
  const starter = createFakeStarter();
  const start: Options['start'] = async (at) => ({ ...(await starter.start(at)), kill: () => undefined });
  const probed = createProbed(() => new Promise(() => undefined));
  const { service, log, givenUp } = supervise({ start, ...probed, killedWithinMs: 20 }, probed.now);
  await service;
  expect((await givenUp).message).toMatch(
    /^retrieval was killed and has not ended within 0\.02 s: the kernel holds process 100, .*dmesg/,
  );
  expect(log).toEqual(['retrieval hung 12000']);
});

test('P10: a service with a grace is asked to end when it is replaced: what it holds goes back and counts for nothing', async () => {
  const starter = createFakeStarter();
  const { service, log } = supervise({ ...starter, replaceGraceMs: 1_000 });
  const supervised = await service;
  supervised.restart();
  await until(() => log.length === 1);
  expect(await starter.started[0]?.exited).toEqual({ code: 0, signal: null });
  await supervised.stop(1_000);
});

test('what ends while nothing can be started waits for it and is not counted', async () => {
  const starter = createFakeStarter();
  const room = Promise.withResolvers<boolean>();
  let asked = 0;
  const { service, log } = supervise({
    ...starter,
    untilStartable: () => (asked++ === 0 ? room.promise : Promise.resolve(false)),
  });
  const supervised = await service;
  starter.started[0]?.die({ code: 7, signal: null });
  await until(() => asked === 1);
  expect(starter.started).toHaveLength(1);
  room.resolve(true);
  await until(() => log.length === 2);
  expect(starter.started).toHaveLength(2);
  await supervised.stop(1_000);
});

test('a service that is restarted on purpose is started again at once, and that is no death', async () => {
  const starter = createFakeStarter();
  const { service, log, waits } = supervise(starter);
  const supervised = await service;
  supervised.restart();
  await until(() => log.length === 1);
  expect(log).toEqual(['retrieval restarted 101']);
  expect(waits).toEqual([]);
  // A coordinator that is asked to end stops its runs.
  expect(await starter.started[0]?.exited).toEqual({ code: null, signal: 'SIGKILL' });
  await supervised.stop(1_000);
});

test('P10: a first start that is killed is tried again, as a restart is', async () => {
  const fake = createFakeStarter();
  let tries = 0;
  const start: Options['start'] = async (at) => {
    if (++tries < 3) throw new TransientError('unavailable', 'ended by SIGKILL', { details: { lasting: false } });
    return await fake.start(at);
  };
  const { service, log, waits } = supervise({ start });
  expect((await service).pid).toBe(100);
  expect(log).toEqual(['failed: ended by SIGKILL', 'failed: ended by SIGKILL']);
  expect(waits).toEqual([200, 400]);
});

test.each([
  [
    'the service says that it cannot start',
    new TransientError('unavailable', 'no corpus', { details: { lasting: true } }),
  ],
  ['what it needs is wrong', new TerminalError('failed_precondition', 'no nats-server')],
])('a first start is tried once when %s', async (_, error) => {
  let tries = 0;
  const { service, log } = supervise({
    start: () => {
      tries += 1;
      return Promise.reject(error);
    },
  });
  await expect(service).rejects.toBe(error);
  expect([tries, log]).toEqual([1, []]);
});

test('P3: a first start that is killed every time is given up after as many tries as a restart', async () => {
  let tries = 0;
  const { service } = supervise({
    start: () => {
      tries += 1;
      return Promise.reject(new TransientError('unavailable', 'ended by SIGKILL'));
    },
  });
  await expect(service).rejects.toThrow('ended by SIGKILL');
  expect(tries).toBe(8);
});
