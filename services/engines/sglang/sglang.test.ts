import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { ServerRequest } from '../kit/engine-server.ts';
import { exchanges, replayExchanges } from '../kit/exchanges.ts';
import { connectSglang } from './client.ts';
import { sglangOptions } from './options.ts';
import { sglangArguments } from './start.ts';

/** Written from the source of 0.5.23, not recorded. */
const written = exchanges.parse(JSON.parse(readFileSync(join(import.meta.dirname, 'exchanges/0.5.23.json'), 'utf8')));
/** Of a real server with `policies/nano`; how it was made is in the README. */
const recorded = exchanges.parse(JSON.parse(readFileSync(join(import.meta.dirname, 'recordings/0.5.23.json'), 'utf8')));
const { signal } = new AbortController();

const turn: ServerRequest = {
  requestId: 'task:0:1',
  tokenIds: [1, 2, 3],
  temperature: 1,
  topP: 1,
  topK: 0,
  maxNewTokens: 16,
  seed: 2 ** 53 - 1,
  stop: ['</answer>'],
  priority: 1,
  cacheNamespace: '7',
};

async function open(changes: typeof written.exchanges = []) {
  const replay = await replayExchanges([...changes, ...written.exchanges]);
  const server = connectSglang(replay.baseUrl);
  return {
    server,
    asked: replay.asked,
    async [Symbol.asyncDispose]() {
      server.close();
      await replay[Symbol.asyncDispose]();
    },
  };
}

it('finds out what it has: log-probabilities after temperature, weights that can be given, seeds that are ignored', async () => {
  await using sglang = await open();
  expect(await sglang.server.describe(signal)).toEqual({
    program: 'sglang 0.5.23',
    model: 'policy',
    maxContextTokens: 1024,
    output: 'logprobs',
    logprobs: 'tempered',
    toleranceNats: 0.002,
    loadsVersions: true,
    forms: [],
    version: 0n,
    advice: ['sglang ignores the seeds of turns: start it with --enable-deterministic-inference.'],
  });
});

it('P4: a real server of 0.5.23 is described, scores and takes weights', async () => {
  await using replay = await replayExchanges(recorded.exchanges);
  const server = connectSglang(replay.baseUrl);
  expect(await server.describe(signal)).toMatchObject({ program: 'sglang 0.5.23', logprobs: 'tempered', version: 0n });
  // Of the learner's model: -7.107340, -8.354055, -9.612588, -5.216847.
  const scores = (await server.score?.([11, 5, 23, 7, 303, 360, 1560, 658], signal)) ?? [];
  for (const [at, expected] of [-7.10734, -8.354055, -9.612588, -5.216847].entries())
    expect(scores[3 + at]).toBeCloseTo(expected, 4);
  const asked = { tokenIds: [11, 5, 23, 7], maxNewTokens: 8, seed: 7, stop: [], priority: 0, cacheNamespace: '3' };
  const answer = await server.generate({ ...turn, ...asked, requestId: 'v3' }, signal);
  expect(answer).toMatchObject({
    tokenIds: { length: 8 },
    logprobs: { length: 8 },
    versions: { first: 3n, last: 3n },
  });
  await server.load?.({ version: 3n, directory: '/versions/000003' }, signal);
  server.close();
});

it('finds out that log-probabilities are raw', async () => {
  const probe = written.exchanges.find(({ asked }) => asked?.['return_logprob'] === true && !('rid' in asked));
  const answer = {
    output_ids: [303],
    meta_info: { finish_reason: { type: 'length' }, output_token_logprobs: [[-7.1, 303, null]] },
  };
  await using sglang = await open(probe === undefined ? [] : [{ ...probe, answer }]);
  expect(await sglang.server.describe(signal)).toMatchObject({ output: 'logprobs', logprobs: 'raw' });
});

it('P4, P5: gives ids, log-probabilities, versions and cached tokens as the server does', async () => {
  await using sglang = await open();
  expect(await sglang.server.generate(turn, signal)).toEqual({
    tokenIds: [40, 41, 42],
    logprobs: [-0.25, -1.5, -0.125],
    finish: 'stop',
    versions: { first: 7n, last: 8n },
    cachedTokens: 2,
  });
});

it('P2: an abort is no length, NaN stays NaN, and the log-probability of another token is none', async () => {
  await using sglang = await open();
  const of = (requestId: string) => sglang.server.generate({ ...turn, requestId }, signal);
  expect(await of('aborted')).toMatchObject({ finish: 'aborted' });
  expect((await of('nan')).logprobs).toEqual([-0.25, NaN]);
  await expect(of('other')).rejects.toThrow('sglang gave token 41 and the log-probability of 44 at 1');
  await expect(of('full')).rejects.toMatchObject({ name: 'TransientError', code: 'unavailable' });
});

it('P3: a turn that is cancelled is given up by an id that begins no other one', async () => {
  const rids: unknown[] = [];
  const silent = createServer((request, response) => {
    request.setEncoding('utf8');
    let body = '';
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      rids.push([request.url, JSON.parse(body).rid]);
      if (request.url === '/abort_request') response.end();
    });
  }).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const address = silent.address();
  const server = connectSglang(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`);
  const stop = new AbortController();
  const cancelled = expect(server.generate(turn, stop.signal)).rejects.toMatchObject({ name: 'CancelledError' });
  await vi.waitFor(() => expect(rids).toHaveLength(1), { timeout: 60_000 });
  stop.abort();
  await cancelled;
  await vi.waitFor(() => expect(rids).toContainEqual(['/abort_request', 'task:0:1.']), { timeout: 60_000 });
  server.close();
  silent.closeAllConnections();
  silent.close();
});

it('P5: pauses, gives weights with their version, and goes on; also when they cannot be read', async () => {
  await using sglang = await open();
  await sglang.server.load?.({ version: 8n, directory: '/versions/000008' }, signal);
  expect(sglang.asked.map(({ path }) => path)).toEqual([
    '/pause_generation',
    '/update_weights_from_disk',
    '/continue_generation',
  ]);
  await expect(sglang.server.load?.({ version: 9n, directory: '/versions/000009' }, signal)).rejects.toThrow(
    'sglang answered 400',
  );
  expect(sglang.asked.at(-1)?.path).toBe('/continue_generation');
});

it('makes ids of a text, scores a sequence, and tells how busy all its ranks are', async () => {
  await using sglang = await open();
  expect(await sglang.server.tokenize?.('hello', signal)).toEqual([71, 1492]);
  const scores = await sglang.server.score?.([11, 5, 23, 7, 19, 3, 29, 13, 303], signal);
  expect(scores).toEqual([-3, -3.1, -3.2, -3.3, -3.4, -3.5, -3.6, -7.1]);
  expect(await sglang.server.status(signal)).toEqual({
    running: 5,
    waiting: 1,
    kvUsedRatio: 0.5,
    preemptions: 0n,
    version: 0n,
  });
});

it('is started on loopback, with the version of its weights', () => {
  const plan = {
    modelDirectory: '/versions/000003',
    tokenizerDirectory: '/models/nano',
    version: 3n,
    maxContext: 1024,
    maxRunning: 64,
    threads: 4,
    device: 'cuda',
  } as const;
  const args = sglangArguments(plan, sglangOptions.parse({ args: ['--tp-size', '2'] }), 7000);
  const flags = args.join(' ');
  expect(flags).toContain('-m sglang.launch_server --model-path /versions/000003 --tokenizer-path /models/nano');
  expect(flags).toContain('--host 127.0.0.1 --port 7000 --device cuda');
  expect(flags).toContain(
    '--weight-version 3 --enable-deterministic-inference --enable-priority-scheduling --tp-size 2',
  );
});
