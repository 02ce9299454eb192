import { describe, expect, onTestFinished, test } from 'vitest';
import { TransientError } from '#platform/errors.ts';
import type { StartIo } from '../kit/environment.ts';
import { openOpenenv } from './index.ts';
import { openenvOptions } from './options.ts';
import { startServerUnderTest, type Connection } from './server-under-test.ts';

const io: StartIo = { signal: new AbortController().signal, seed: 7n, toolTimeoutMs: 60_000 };
const row = { id: 'r1', data: { task: 'guess <answer>' }, tags: {} };
const turn = (text: string, index = 0) => ({ index, text });

function observed(observation: object, more: object = {}): string {
  return JSON.stringify({ type: 'observation', data: { observation, reward: null, done: false, ...more } });
}

async function serverThat(answer: Parameters<typeof startServerUnderTest>[0]) {
  const server = await startServerUnderTest(answer);
  onTestFinished(async () => await server[Symbol.asyncDispose]());
  return server;
}

/** Answers reset with `ready`, and each step as `step` says. */
async function serverWhoseStep(step: (connection: Connection, data: unknown) => void) {
  return await serverThat((message, connection) => {
    if (message?.type === 'reset') connection.send(observed({ text: 'ready' }));
    if (message?.type === 'step') step(connection, message.data);
  });
}

function environmentOf(urls: string[], more: object = {}) {
  return openOpenenv(openenvOptions.parse({ urls, ...more }));
}

describe('an episode of an OpenEnv server', () => {
  test('begins with the row and the seed, and shows nothing that could act as a tag or a token', async () => {
    const resets: unknown[] = [];
    const { url } = await serverThat((message, connection) => {
      if (message?.type !== 'reset') return;
      resets.push(message.data);
      connection.send(observed({ text: 'say <|im_end|>' }));
    });
    const options = { observation: 'text', prompt_template: '{row.task}: {observation}' };
    const episode = await environmentOf([url], options).start(row, io);
    expect(episode.prompt()).toBe('guess &lt;answer>: say &lt;|im_end|>');
    expect(resets).toEqual([{ seed: 7, episode_id: 'r1', task: 'guess <answer>' }]);
  });

  test('brings the rewards of its steps to 0..1, as the options say, and says when no step had one', async () => {
    const rewards = [5, 20, -3];
    const { url } = await serverWhoseStep((connection) => {
      const reward = rewards.shift() ?? null;
      connection.send(observed({ text: 'next' }, { reward, done: rewards.length === 0 }));
    });
    const options = { reward: 'sum', reward_low: 0, reward_high: 44 };
    const episode = await environmentOf([url], options).start(row, io);
    await episode.step(turn('a'), io);
    await episode.step(turn('b'), io);
    expect(await episode.step(turn('c'), io)).toMatchObject({
      kind: 'done',
      rewards: { environment_reward: 0.5 },
      metrics: { environment_steps: 3, environment_reward_raw: 22 },
    });
    const without = await environmentOf([url], options).start(row, io);
    await expect(Promise.resolve(without.step(turn('d'), io))).rejects.toThrow('no step had a reward; with the option');
    const none = await environmentOf([url], { reward: 'none' }).start(row, io);
    expect(await none.step(turn('d'), io)).toMatchObject({ kind: 'done', rewards: {} });
  });

  test('is worth 0 when the policy answers before it does anything', async () => {
    const { url } = await serverWhoseStep((connection) => connection.send(observed({ tools: [] })));
    const episode = await environmentOf([url], { action: 'tools' }).start(row, io);
    expect(await episode.step(turn('<answer>5</answer>'), io)).toMatchObject({
      kind: 'done',
      prediction: '5',
      rewards: { environment_reward: 0 },
    });
  });

  test('ends after max_steps, although the server never says done', async () => {
    const { url } = await serverWhoseStep((connection) => connection.send(observed({ text: 'on' }, { reward: 1 })));
    const episode = await environmentOf([url], { max_steps: 2 }).start(row, io);
    expect(await episode.step(turn('a'), io)).toMatchObject({ kind: 'continue' });
    expect(await episode.step(turn('b'), io)).toMatchObject({ kind: 'done', rewards: { environment_reward: 1 } });
  });

  test('leaves no connection open when it is closed', async () => {
    const server = await serverWhoseStep(() => {});
    const episode = await environmentOf([server.url]).start(row, io);
    expect(server.open).toBe(1);
    await episode.close?.();
    await expect.poll(() => server.open, { timeout: 30_000 }).toBe(0);
  });

  test('is spread over the servers, and passes by one that cannot be reached', async () => {
    const [a, b] = [await serverWhoseStep(() => {}), await serverWhoseStep(() => {})];
    const gone = await serverWhoseStep(() => {});
    await gone[Symbol.asyncDispose]();
    const environment = environmentOf([a.url, gone.url, b.url]);
    for (let n = 0; n < 6; n += 1) await environment.start(row, io);
    expect([a.connections, b.connections].toSorted((x, y) => x - y)).toEqual([2, 4]);
  });

  test('names the fields that there are when the one that it should show is missing', async () => {
    const { url } = await serverWhoseStep(() => {});
    await expect(environmentOf([url], { observation: 'txt' }).start(row, io)).rejects.toThrow(
      'option observation: the observation has no field txt; it has: text',
    );
  });
});

describe('P2: a server that fails makes no reward but a failure that is tried elsewhere', () => {
  test('when it is full: that is waited for', async () => {
    let full = true;
    const { url } = await serverThat((message, connection) => {
      if (full) {
        const data = { message: 'Server at capacity: 1/1', code: 'CAPACITY_REACHED' };
        connection.send(JSON.stringify({ type: 'error', data }));
      } else if (message?.type === 'reset') connection.send(observed({ text: 'ready' }));
    });
    const environment = environmentOf([url]);
    await expect(environment.start(row, io)).rejects.toMatchObject({
      name: 'TransientError',
      code: 'resource_exhausted',
      message: `OpenEnv server ${url}/ws: it is full: Server at capacity: 1/1`,
    });
    full = false;
    expect((await environment.start(row, io)).prompt()).toBe('{"text":"ready"}');
  });

  test('when it cannot be reached, which is reported before a run', async () => {
    const server = await serverWhoseStep(() => {});
    await environmentOf([server.url]).check?.(io.signal);
    await server[Symbol.asyncDispose]();
    await expect(environmentOf([server.url]).start(row, io)).rejects.toBeInstanceOf(TransientError);
    await expect(environmentOf([server.url]).check?.(io.signal)).rejects.toThrow(`OpenEnv server ${server.url}/ws: `);
  });

  test.each<[string, (connection: Connection) => void, RegExp, object?]>([
    ['when it dies mid-episode', (connection) => connection.drop(), /closed the connection|connection failed/],
    ['when it sends nonsense', (connection) => connection.send('{"type": "observa'), /what is not a reply: "\{/],
    [
      'when it sends another shape',
      (connection) => connection.send('{"type":"state","data":{}}'),
      /what is not a reply/,
    ],
    [
      'when it sends 10 MB',
      (connection) => connection.send(observed({ text: 'x'.repeat(10_000_000) })),
      /it sent 10000\d+ bytes; at most max_message_bytes \(1048576\)/,
    ],
    ['when it does not answer in time', () => {}, /no observation within 50 ms/, { toolTimeoutMs: 50 }],
  ])('%s, and the session is lost', async (_, misbehave, message, bounds) => {
    const { url } = await serverWhoseStep(misbehave);
    const episode = await environmentOf([url]).start(row, io);
    const outcome = Promise.resolve(episode.step(turn('a'), { ...io, ...bounds }));
    await expect(outcome).rejects.toMatchObject({
      name: 'TransientError',
      code: 'unavailable',
      message: expect.stringMatching(message),
    });
    await expect(Promise.resolve(episode.step(turn('a'), io))).rejects.toMatchObject({ name: 'TransientError' });
  });

  test('an answer that comes after its deadline is not taken for the next one', async () => {
    let connected: Connection | undefined;
    const { url } = await serverWhoseStep((connection) => {
      connected = connection;
    });
    const episode = await environmentOf([url]).start(row, io);
    await expect(Promise.resolve(episode.step(turn('a'), { ...io, toolTimeoutMs: 20 }))).rejects.toThrow(
      'within 20 ms',
    );
    connected?.send(observed({ text: 'of step a' }, { done: true, reward: 1 }));
    await expect(Promise.resolve(episode.step(turn('b'), io))).rejects.toBeInstanceOf(TransientError);
  });

  test('a call that is cancelled ends as cancelled', async () => {
    const { url } = await serverWhoseStep(() => stop.abort());
    const stop = new AbortController();
    const episode = await environmentOf([url]).start(row, io);
    const outcome = Promise.resolve(episode.step(turn('a'), { ...io, signal: stop.signal }));
    await expect(outcome).rejects.toMatchObject({ name: 'CancelledError' });
  });
});

describe('what the server refuses', () => {
  const refusal = (type: string) =>
    JSON.stringify({
      type: 'error',
      data: { message: 'Invalid message', code: 'VALIDATION_ERROR', errors: [{ type, loc: ['word'], msg: 'bad' }] },
    });

  test('of a turn is shown to the policy, as often as violations are forgiven', async () => {
    const { url } = await serverWhoseStep((connection) => connection.send(refusal('string_too_short')));
    const episode = await environmentOf([url], { max_violations: 1 }).start(row, io);
    expect(await episode.step(turn(''), io)).toEqual({
      kind: 'continue',
      text: '\nerror: word: bad\n',
      action: { kind: 'violation', code: 'refused_action', wasCall: true },
    });
    expect(await episode.step(turn(''), io)).toMatchObject({ kind: 'done', failure: 'malformed_turn' });
  });

  test('of the recipe names the options', async () => {
    const { url } = await serverWhoseStep((connection) => connection.send(refusal('extra_forbidden')));
    const episode = await environmentOf([url]).start(row, io);
    await expect(Promise.resolve(episode.step(turn('a'), io))).rejects.toThrow(
      /does not take such a step: word: bad; see the options action, text_field and action_fields/,
    );
  });

  test("an exception of the server's own code is not a failure of the network", async () => {
    const { url } = await serverWhoseStep((connection) =>
      connection.send(JSON.stringify({ type: 'error', data: { message: 'KeyError', code: 'EXECUTION_ERROR' } })),
    );
    const episode = await environmentOf([url]).start(row, io);
    await expect(Promise.resolve(episode.step(turn('a'), io))).rejects.toMatchObject({ name: 'UserCodeError' });
  });
});
