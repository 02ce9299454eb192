import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { TransientError } from '#platform/errors.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { findContainment } from '#user-code/containment.ts';
import type { StartIo } from '../kit/environment.ts';
import { userFolder } from '../python/files-under-test.ts';
import { containEnvironment, defaultFileLimits } from './contained.ts';

const containment = await findContainment();
const io: StartIo = { signal: new AbortController().signal, seed: 2n ** 63n + 7n, toolTimeoutMs: 60_000 };
const rowOf = (id = 'r1') => ({ id, data: { id }, tags: {} });
const turn = (text: string) => ({ index: 0, text });
const outcomeOf = async <T>(outcome: T | Promise<T>): Promise<T> => await outcome;

/** Where `code` stands in the file, as messages say it. */
const at = (file: string, code: string): string =>
  `${file}:${
    readFileSync(file, 'utf8')
      .split('\n')
      .findIndex((line) => line.includes(code)) + 1
  }`;

/** A definition whose episodes are `episode`, an expression that may use `data`, `io` and `told`. */
const fileOf = (episode: string, before = '') => `
import { defineEnvironment, TransientError, z } from 'gradus/environment';
${before}
export default defineEnvironment({
  name: 'mine', about: 'A test.', options: z.strictObject({ most: z.int().default(3) }),
  row: { data: z.object({ id: z.string() }), gold: z.object({}) },
  rewards: ['score'], primaryMetric: 'score',
  open: ({ most }) => ({ stop: ['\\n'], start: ({ data }, io) => (${episode}) }),
});
`;

async function contained(text: string, limits: object = {}) {
  const folder = userFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const file = folder.write('mine.ts', text);
  const logged: { message: string; text?: string }[] = [];
  const write = (line: string): void => void logged.push(JSON.parse(line) as (typeof logged)[number]);
  const log = createLogger({ service: 'rollout', level: 'info', destination: { write } });
  const guardian = { watch() {}, forget() {}, release() {} };
  const variables = { ...process.env, GRANTED: 'yes', SECRET: 'no' };
  const host = { log, guardian, containment, variables };
  const definition = await containEnvironment(
    { file, limits: { ...defaultFileLimits, startTimeoutMs: 600_000, ...limits } },
    host,
  );
  const open = async (options: object = {}) => {
    const environment = await definition.open(options, {
      retrieval: () => expect.fail('it needs no search'),
      userCode: async () => host,
    });
    onTestFinished(async () => await environment.close?.());
    return environment;
  };
  return { definition, open, file, logged };
}

async function opened(text: string, limits: object = {}) {
  const given = await contained(text, limits);
  return { ...given, environment: await given.open() };
}

test('episodes are played in a process of their own, side by side, with what the definition says', async () => {
  const { definition, open } = await contained(
    fileOf(`{
      prompt: () => \`\${data.id} \${most} \${io.seed} \${process.env.GRANTED} \${process.env.SECRET} \${process.pid !== ${process.pid}}\`,
      async step({ text }) {
        if (text !== 'wait') return { kind: 'done', rewards: { score: 1 }, prediction: text };
        await new Promise((done) => (globalThis.release = done));
        return { kind: 'continue', messages: [{ role: 'user', content: [{ text: 'on', trusted: true }] }] };
      },
      close: () => globalThis.release?.(),
    }`),
    { variables: ['GRANTED'] },
  );
  expect(definition).toMatchObject({ name: 'mine', about: 'A test.', rewards: ['score'], needs: [] });
  const environment = await open({ most: 5 });
  expect(environment).toMatchObject({ stop: ['\n'], rewards: ['score'] });
  const [one, other] = await Promise.all([environment.start(rowOf('a'), io), environment.start(rowOf('b'), io)]);
  expect(one.prompt()).toBe('a 5 9223372036854775815 yes undefined true');
  const waits = outcomeOf(one.step(turn('wait'), io));
  // The other is answered while the first one waits.
  expect(await other.step(turn('b'), io)).toEqual({ kind: 'done', rewards: { score: 1 }, prediction: 'b' });
  await other.close?.();
  expect(await waits).toEqual({
    kind: 'continue',
    messages: [{ role: 'user', content: [{ text: 'on', trusted: true }] }],
  });
  await one.close?.();
  await expect(open({ mist: 1 })).rejects.toThrow(/Unrecognized key: "mist"/);
});

describe('P2: what a file does wrong is user code with its place, at once', () => {
  const bad = fileOf(
    `{
      prompt: () => (data.id === 'prompt' ? lines.missing.deep : 'go'),
      step({ text }) {
        if (text === 'throw') throw new RangeError('no such move');
        if (text === 'reject') return Promise.reject(new Error('later'));
        if (text === 'exit') process.exit(0);
        if (text === 'loose') { setTimeout(() => { throw new Error('in a timer'); }); return new Promise(() => {}); }
        if (text === 'odd') return { kind: 'continue', txt: 'x' };
        if (text === 'nan') return { kind: 'done', rewards: { score: NaN } };
        if (text === 'huge') return { kind: 'continue', text: 'x'.repeat(5_000_000) };
        if (text === 'ring') { const ring: any = {}; ring.ring = ring; return { kind: 'done', metrics: ring }; }
        return { kind: 'continue', text: 'on' };
      },
      close() { throw new Error('in close'); },
    }`,
    'const lines: any = {};',
  );

  test('in prompt, step and close', async () => {
    const { environment, file } = await opened(bad);
    await expect(outcomeOf(environment.start(rowOf('prompt'), io))).rejects.toMatchObject({
      name: 'UserCodeError',
      message: expect.stringMatching(/^start threw TypeError: Cannot read /),
      line: Number(at(file, 'lines.missing').split(':').at(-1)),
    });
    const episode = await environment.start(rowOf(), io);
    const thrownBy = async (text: string) =>
      await outcomeOf(episode.step(turn(text), io)).then(
        () => expect.fail(text),
        (thrown: unknown) => thrown,
      );
    expect(await thrownBy('throw')).toMatchObject({
      name: 'UserCodeError',
      message: `step threw RangeError: no such move (${at(file, 'RangeError')})`,
      file,
    });
    for (const [text, message] of [
      ['reject', /step threw Error: later \(.*mine\.ts:\d+\)/],
      ['exit', /process\.exit\(0\) was called.*mine\.ts:\d+\)/],
      ['odd', /step gave \{ kind: 'continue', txt: 'x' \}; give \{ kind: 'continue', text \}/],
      ['huge', /it gave 50000\d\d bytes; at most 4194304 can be read/],
      ['ring', /step threw TypeError: Converting circular/],
    ] as const)
      expect(await thrownBy(text), text).toMatchObject({
        name: 'UserCodeError',
        message: expect.stringMatching(message),
      });
    // Told by the check of all outcomes.
    expect(await episode.step(turn('nan'), io)).toMatchObject({ rewards: { score: 'NaN' } });
    await expect(outcomeOf(episode.close?.())).rejects.toThrow(`close threw Error: in close (${at(file, 'in close')})`);
    const again = await environment.start(rowOf(), io);
    await expect(outcomeOf(again.step(turn('loose'), io))).rejects.toMatchObject({
      name: 'UserCodeError',
      message: `step threw Error: in a timer (nothing caught it) (${at(file, 'in a timer')})`,
    });
    await expect(outcomeOf(environment.start(rowOf(), io))).rejects.toThrow(/in a timer/);
  });

  test('code that never yields is ended with its line, and the row that it served', async () => {
    const { environment, file } = await opened(
      fileOf(`{
        prompt: () => 'go',
        async step({ text }) {
          await null;
          while (text === 'loop' + data.id) {}
          return new Promise((done) => setTimeout(done, 600_000));
        },
      }`),
    );
    const short = { ...io, toolTimeoutMs: 1_500 };
    const [loops, waits] = await Promise.all([environment.start(rowOf('a'), io), environment.start(rowOf('b'), io)]);
    const waiting = outcomeOf(waits.step(turn('x'), io));
    waiting.catch(() => {});
    await pause(50);
    await expect(outcomeOf(loops.step(turn('loopa'), short))).rejects.toMatchObject({
      name: 'UserCodeError',
      message: expect.stringMatching(/^step held its process for \d+ ms without a pause/),
      file,
      line: Number(at(file, 'while').split(':').at(-1)),
    });
    await expect(waiting).rejects.toBeInstanceOf(TransientError);
    expect((await environment.start(rowOf('c'), io)).prompt()).toBe('go');
  }, 600_000);
});

test('P3: a step that waits forever ends with its time as infrastructure, and its signal aborts', async () => {
  const { environment } = await opened(
    fileOf(`{
      prompt: () => 'go',
      step: ({ text }, { signal }) => text === 'aborted'
        ? { kind: 'continue', text: String(globalThis.aborted) }
        : new Promise(() => signal.addEventListener('abort', () => (globalThis.aborted = true))),
    }`),
  );
  const episode = await environment.start(rowOf(), io);
  await expect(outcomeOf(episode.step(turn('x'), { ...io, toolTimeoutMs: 200 }))).rejects.toMatchObject({
    name: 'TransientError',
    message: expect.stringMatching(/no result within 200 ms/),
  });
  expect(await episode.step(turn('aborted'), io)).toMatchObject({ text: 'true' });
});

test('errors of the kit keep their meaning on their way', async () => {
  const { environment } = await opened(
    fileOf(
      `{ prompt: () => 'go', step() { throw new TransientError('resource_exhausted', 'full', { retryAfterMs: 7 }); } }`,
    ),
  );
  const episode = await environment.start(rowOf(), io);
  await expect(outcomeOf(episode.step(turn('x'), io))).rejects.toMatchObject({
    name: 'TransientError',
    code: 'resource_exhausted',
    retryAfterMs: 7,
  });
});

test('a process that needs too much memory is ended, and the second time it is the row that did it', async () => {
  const { environment, logged } = await opened(
    fileOf(`{
      prompt: () => 'go',
      step({ text }) {
        for (let i = 0; text === 'print' && i < 200; i += 1) console.log('x'.repeat(100_000));
        const held: unknown[] = [];
        while (text === 'eat') held.push(Buffer.alloc(1 << 24, 1));
        return { kind: 'continue', text: 'on' };
      },
    }`),
    { memoryMebibytes: 400 },
  );
  for (const name of ['TransientError', 'UserCodeError']) {
    const episode = await environment.start(rowOf(), io);
    await expect(outcomeOf(episode.step(turn('eat'), io))).rejects.toMatchObject({
      name,
      message: expect.stringMatching(/memory/i),
    });
  }
  const episode = await environment.start(rowOf(), io);
  expect(await episode.step(turn('print'), io)).toMatchObject({ text: 'on' });
  const printed = logged.filter(({ message }) => message === 'an environment prints');
  expect(printed.reduce((sum, { text = '' }) => sum + text.length, 0)).toBeLessThan(200_000);
}, 600_000);

test.each<[string, string, RegExp, object?]>([
  ['loops', 'while (true) {}', /mine\.ts: it was not loaded within 1500 ms/, { startTimeoutMs: 1_500 }],
  ['exits', 'process.exit(3);', /process\.exit\(3\) was called/],
  [
    'needs a package',
    "import 'no-such-package-anywhere';",
    /Cannot find package 'no-such-package-anywhere'.*install it next to the file: npm install --prefix .* no-such-package-anywhere/,
  ],
])(
  'a file that %s while it is loaded is refused, and the process that loads it goes on',
  async (_, before, message, limits = {}) => {
    await expect(contained(fileOf('{}', before), limits)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(message),
    });
  },
);
