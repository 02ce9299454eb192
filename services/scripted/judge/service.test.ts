import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '#platform/runtime/config.ts';
import { createLifecycle } from '#platform/runtime/lifecycle.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { scriptedJudgeConfig } from './config.ts';
import { startScriptedJudge } from './service.ts';

const log = createLogger({ service: 'scripted-judge', level: 'silent' });
const mark = 'abcdef012345';
const fence = (name: string, text: string) => `<<<${name} ${mark}\n${text}\n${mark}>>>`;
const graded = {
  model: 'any',
  messages: [
    {
      role: 'user',
      content: [fence('QUESTION', 'Q?'), fence('REFERENCE', 'Paris'), fence('ANSWER', 'Paris')].join('\n'),
    },
  ],
};

async function start(...argv: readonly string[]) {
  const lifecycle = createLifecycle(log);
  const metrics = createMetrics();
  const { http } = await startScriptedJudge(loadConfig(scriptedJudgeConfig, { argv }), {
    name: 'scripted-judge',
    log,
    metrics,
    signal: lifecycle.signal,
    defer: (what, dispose) => lifecycle.defer(what, dispose),
    fail: (error) => lifecycle.fail(error),
  });
  lifecycle.serving();
  let stopped: Promise<{ readonly clean: boolean }> | undefined;
  const stop = () => {
    lifecycle.stop('the test is over');
    stopped ??= lifecycle.drain(5_000);
    return stopped;
  };
  onTestFinished(async () => void (await stop()));
  const ask = (body: unknown, signal?: AbortSignal) =>
    fetch(`http://${http}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
  return { http, ask, metrics, stop };
}

test('a question is answered as the chat completions API answers', async () => {
  const { ask, http } = await start();
  const response = await ask(graded);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({
    id: expect.stringMatching(/^judged-[0-9a-f]{24}$/),
    object: 'chat.completion',
    model: 'any',
    choices: [{ index: 0, message: { role: 'assistant', content: 'A' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 34, completion_tokens: 1, total_tokens: 35 },
  });
  expect(await (await fetch(`http://${http}/v1/models`)).json()).toMatchObject({ object: 'list' });
});

test.each([
  ['{"model": ', 400, null, 'JSON'],
  ['[]', 400, null, 'expected object'],
  [{ messages: graded.messages }, 400, 'model', 'model'],
  [{ model: 'm', messages: [] }, 400, 'messages', 'messages'],
  [{ model: 'm', messages: [{ role: 'user', content: 7 }] }, 400, 'messages.0.content', 'expected string'],
  [
    { model: 'm', messages: [{ role: 'user', content: 'Hello' }] },
    400,
    'messages',
    'no question of the reward service',
  ],
  [{ ...graded, stream: true }, 400, 'stream', 'does not stream'],
  [{ ...graded, n: 2 }, 400, 'n', 'one choice'],
  [{ ...graded, max_tokens: 0 }, 400, 'max_tokens', 'max_tokens'],
])('%j is refused with %d and names %s', async (body, status, param, message) => {
  const { ask, metrics } = await start();
  const response = await ask(body);
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({
    error: { type: 'invalid_request_error', param, message: expect.stringContaining(message) },
  });
  expect(await metrics.render()).toContain(`gradus_scripted_judge_refusals_total{status="${status}"} 1`);
});

test('another path is 404, a body that is too large 413, another content type 415', async () => {
  const { http, ask } = await start();
  const other = await fetch(`http://${http}/v1/completions`, { method: 'POST' });
  expect([other.status, await other.json()]).toMatchObject([404, { error: { type: 'invalid_request_error' } }]);
  expect((await ask(' '.repeat(33 * 1024 * 1024))).status).toBe(413);
  const text = await fetch(`http://${http}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/xml' },
    body: '<a/>',
  });
  expect(text.status).toBe(415);
});

test('a reply that is longer than max_tokens allows is cut, and says so', async () => {
  const { ask } = await start();
  const shown = Array.from({ length: 20 }, (_, index) => fence(String(index + 1), 'Paris'));
  const content = [fence('QUESTION', 'Q?'), ...shown].join('\n');
  const response = await ask({ model: 'm', messages: [{ role: 'user', content }], max_tokens: 5 });
  expect(await response.json()).toMatchObject({
    choices: [{ finish_reason: 'length' }],
    usage: { completion_tokens: 5 },
  });
});

test('beyond the questions that may wait it says 429 with the time to wait; who hangs up makes room', async () => {
  const { ask, metrics } = await start('--max-running', '1', '--max-waiting', '0', '--latency-median-ms', '600000');
  const caller = new AbortController();
  const first = ask(graded, caller.signal).catch((thrown: unknown) => thrown);
  const rendered = (line: string) => expect.poll(async () => await metrics.render()).toContain(line);
  await rendered('gradus_scripted_judge_running_requests 1');
  const second = await ask(graded);
  expect([second.status, second.headers.get('retry-after')]).toEqual([429, '1']);
  expect(await second.json()).toMatchObject({ error: { code: 'rate_limit_exceeded' } });
  caller.abort();
  await first;
  await rendered('gradus_scripted_judge_running_requests 0');
});

test('a stop lets what runs finish', async () => {
  const { ask, metrics, stop } = await start('--latency-median-ms', '2000');
  const running = ask(graded);
  await expect.poll(async () => await metrics.render()).toContain('gradus_scripted_judge_running_requests 1');
  expect(await stop()).toEqual({ clean: true });
  expect((await running).status).toBe(200);
});

test('a file that is not there ends the start', async () => {
  await expect(start('--questions', '/nowhere.jsonl')).rejects.toThrow(/nowhere\.jsonl: there is no such file/);
});
