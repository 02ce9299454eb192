import { expect, it, onTestFinished, vi } from 'vitest';
import type { ServerPlan, StartedServer } from '#engines/kit/engine-kind.ts';
import type { EngineServer } from '#engines/kit/engine-server.ts';
import { keepServer } from './keep-server.ts';

const plan = (version: bigint): ServerPlan => ({
  modelDirectory: `/versions/${version}`,
  tokenizerDirectory: '/model',
  version,
  maxContext: 64,
  maxRunning: 1,
  threads: 1,
  device: 'cpu',
});
const passes = async (): Promise<void> => {};

/** A keeper of processes that a test ends; `start` may fail, or wait. */
function kept(start: (wanted: ServerPlan) => unknown = () => {}) {
  const processes: { version: bigint; end(how: string): void }[] = [];
  const said: string[] = [];
  const stop = new AbortController();
  let last: Promise<unknown> = Promise.resolve();
  const launch = (version: bigint): StartedServer => {
    const { promise: ended, resolve: end } = Promise.withResolvers<string>();
    processes.push({ version, end });
    return { baseUrl: 'http://127.0.0.1:1', ended, stop: async () => end('it was stopped') };
  };
  const client = (): EngineServer => ({
    describe: () => Promise.reject(new Error('unused')),
    generate: () => Promise.reject(new Error('unused')),
    status: () => Promise.reject(new Error('unused')),
    close() {},
  });
  const alone = <T>(change: () => Promise<T>): Promise<T> => {
    const mine = last.then(change);
    last = mine.catch(() => undefined);
    return mine;
  };
  const keeper = keepServer(launch(0n), client(), {
    async start(wanted) {
      await start(wanted);
      return launch(wanted.version);
    },
    async takeIn(_started, check) {
      const server = client();
      await check(server);
      return server;
    },
    planAgain: async () => plan(0n),
    onRepaired: () => said.push('repaired'),
    alone,
    onDown: (reason) => said.push(reason),
    onGivenUp: (error) => said.push(`given up: ${error.message}`),
    events: { serverRestarted: (reason) => said.push(`restarted: ${reason}`) },
    signal: stop.signal,
    firstBackoffMs: 1,
  });
  const close = async (): Promise<void> => {
    stop.abort();
    await keeper.stop(100);
  };
  onTestFinished(close);
  return { keeper, processes, said, alone, close };
}

const eventually = (check: () => unknown): Promise<unknown> => vi.waitFor(check, { timeout: 60_000, interval: 5 });

it('a server that ends six times in a row is given up, with how it ended the last time', async () => {
  const { processes, said } = kept();
  for (let at = 0; at < 6; at += 1) {
    await eventually(() => expect(processes).toHaveLength(at + 1));
    await eventually(() => expect(said.filter((each) => each === 'repaired')).toHaveLength(at));
    processes[at]?.end(`end ${at}`);
  }
  await eventually(() => expect(said.at(-1)).toBe('given up: the server ended 6 times in a row; the last time: end 5'));
  expect(processes).toHaveLength(6);
});

it('P10: a server that lives and does not answer is started anew', async () => {
  const { keeper, said } = kept();
  keeper.kill();
  await eventually(() => expect(said).toEqual(['it was stopped', 'repaired', 'restarted: hung']));
  expect(keeper.server).toBeDefined();
});

it('a load that finds it dead starts it with its version, and nothing starts it a second time', async () => {
  const { keeper, processes, said, alone } = kept();
  const loaded = alone(async () => {
    processes[0]?.end('it was ended by SIGKILL');
    await eventually(() => expect(keeper.server).toBeUndefined());
    await keeper.restart(plan(4n), passes);
  });
  await loaded;
  expect(said).toEqual(['it was ended by SIGKILL', 'restarted: load']);
  await alone(passes);
  expect(processes.map(({ version }) => version)).toEqual([0n, 4n]);
});

it.each([
  [
    'does not start',
    (wanted: ServerPlan) => {
      if (wanted.version === 4n) throw new Error('no memory');
    },
    passes,
    'no memory',
  ],
  ['fails the check', () => {}, () => Promise.reject(new Error('other weights')), 'other weights'],
] as const)(
  'a restart that %s is an error of the load, and the server before is started again',
  async (_what, start, check, words) => {
    const { keeper, processes, said, alone } = kept(start);
    await expect(alone(() => keeper.restart(plan(4n), check))).rejects.toThrow(words);
    await eventually(() => expect(said.at(-1)).toBe('restarted: ended'));
    expect(said).toContain(words);
    expect(processes.at(-1)?.version).toBe(0n);
  },
);

it('a stop during a start waits for its end, and starts nothing more', async () => {
  const gate = Promise.withResolvers<void>();
  const starting = Promise.withResolvers<void>();
  const { processes, close } = kept(() => (starting.resolve(), gate.promise));
  processes[0]?.end('it was ended by SIGKILL');
  await starting.promise;
  const closed = close();
  gate.reject(new Error('given up'));
  await closed;
  expect(processes).toHaveLength(1);
});
