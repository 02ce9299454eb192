import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openOpenenv } from '#environments/openenv/index.ts';
import { openenvOptions } from '#environments/openenv/options.ts';
import { TransientError } from '#platform/errors.ts';
import { openenvServers, startOpenenvServer } from '../fixtures/openenv/start-server.ts';

const python = join(import.meta.dirname, '../../.build/openenv/bin/python');
const installed = existsSync(python);
if (!installed) console.warn('skipped: servers of the package openenv; `make openenv` installs it into .build/openenv');

const io = { signal: new AbortController().signal, seed: 7n, toolTimeoutMs: 120_000 };
const row = (data: Record<string, unknown> = {}) => ({ id: 'r1', data, tags: {} });
const turn = (text: string) => ({ index: 0, text });

function play(url: string, options: object = {}) {
  return openOpenenv(openenvOptions.parse({ urls: [url], ...options }));
}

/** The echo server that `openenv init` writes; it has room for one session. */
async function startEcho() {
  const folder = mkdtempSync(join(tmpdir(), 'gradus-openenv-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  execFileSync(join(python, '../openenv'), ['init', 'echo_env'], { cwd: folder, stdio: 'ignore' });
  return await startOpenenvServer(
    python,
    (port) => ['-m', 'echo_env.server.app', '--host', '127.0.0.1', '--port', `${port}`],
    folder,
  );
}

describe.skipIf(!installed)("servers of OpenEnv's own package", () => {
  test('the echo server answers with what it receives, and a second episode waits until it has room', async () => {
    const { url } = await startEcho();
    const environment = play(url, { observation: 'echoed_message', max_steps: 2 });
    const episode = await environment.start(row(), io);
    expect(episode.prompt()).toContain('ready');
    await expect(Promise.resolve(environment.start(row(), io))).rejects.toMatchObject({ code: 'resource_exhausted' });
    expect(await episode.step(turn('hello'), io)).toMatchObject({ kind: 'continue', text: '\nhello\n' });
    expect(await episode.step(turn('good'), io)).toMatchObject({
      kind: 'done',
      rewards: { environment_reward: 0.4 },
      action: { kind: 'tool_call', arguments: { message: 'good' }, result: 'good' },
    });
    await episode.close?.();
    await expect
      .poll(async () => {
        const second = await Promise.resolve(environment.start(row(), io)).catch(() => undefined);
        await second?.close?.();
        return second?.prompt();
      })
      .toContain('ready');
  });

  test('the coding server keeps the state of its session, rewards what solves the task, and shows its exceptions', async () => {
    const { url } = await startOpenenvServer(python, (port) => [openenvServers, 'coding', `${port}`]);
    const environment = play(url, { text_field: 'code', observation: 'stdout' });
    const [one, other] = await Promise.all([
      environment.start(row({ wanted: '42' }), io),
      environment.start(row({ wanted: '7' }), io),
    ]);
    expect([one.prompt(), other.prompt()]).toEqual(['Print 42.', 'Print 7.']);
    expect(await one.step(turn('x = 40'), io)).toMatchObject({ kind: 'continue' });
    expect(await other.step(turn('x = 5'), io)).toMatchObject({ kind: 'continue' });
    expect(await one.step(turn('print(x + 2)'), io)).toMatchObject({
      kind: 'done',
      rewards: { environment_reward: 1 },
      metrics: { environment_steps: 2 },
    });
    await expect(Promise.resolve(other.step(turn('boom'), io))).rejects.toThrow(/threw: .*nobody expected this/);
    const mistaken = await play(url, { text_field: 'programme' }).start(row(), io);
    await expect(Promise.resolve(mistaken.step(turn('x = 1'), io))).rejects.toThrow(
      /does not take such a step: code: Field required; programme: Extra inputs/,
    );
    for (const episode of [one, other, mistaken]) await episode.close?.();
  });

  test('tools of a server are listed in the prompt and called, with its errors shown to the policy', async () => {
    const { url } = await startOpenenvServer(python, (port) => [openenvServers, 'tools', `${port}`]);
    const environment = play(url, { action: 'tools', prompt_template: '{tools}', codec: 'xml', reward: 'none' });
    const episode = await environment.start(row(), io);
    const [add] = (episode.prompt() as string).split('\n');
    expect(JSON.parse(add ?? '')).toMatchObject({
      name: 'add',
      description: 'Add to the counter.',
      parameters: { properties: { amount: { type: 'integer' } } },
    });
    const call = (name: string, args: object) => turn(`<tool>${JSON.stringify({ name, args })}</tool>`);
    await episode.step(call('add', { amount: 2 }), io);
    expect(await episode.step(call('add', { amount: 3 }), io)).toMatchObject({
      text: '<result> the counter is 5 </result>',
      action: { kind: 'tool_call', name: 'add', result: 'the counter is 5' },
    });
    expect(await episode.step(call('fail', { reason: 'no luck' }), io)).toMatchObject({
      kind: 'continue',
      text: expect.stringMatching(/error: .*no luck/),
      action: { kind: 'tool_call', result: '', error: expect.stringMatching(/no luck/) },
    });
    expect(await episode.step(call('subtract', {}), io)).toMatchObject({ action: { code: 'unknown_tool' } });
    expect(await episode.step(turn('<answer>5</answer>'), io)).toMatchObject({ kind: 'done', prediction: '5' });
    await episode.close?.();
  });

  test('P2: a server that is killed mid-episode makes no reward', async () => {
    const { url, server } = await startOpenenvServer(python, (port) => [openenvServers, 'coding', `${port}`]);
    const environment = play(url, { text_field: 'code' });
    const episode = await environment.start(row(), io);
    server.kill('SIGKILL');
    await expect(Promise.resolve(episode.step(turn('x = 1'), io))).rejects.toBeInstanceOf(TransientError);
    await expect(Promise.resolve(environment.start(row(), io))).rejects.toBeInstanceOf(TransientError);
  });
});
