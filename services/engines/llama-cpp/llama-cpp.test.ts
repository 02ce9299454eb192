import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { exchanges, replayExchanges } from '../kit/exchanges.ts';
import { connectLlamaCpp } from './client.ts';
import { requests } from './requests-under-test.ts';

/** Of a real server with `policies/nano` as GGUF; how it was made is in the README. */
const recorded = exchanges.parse(JSON.parse(readFileSync(join(import.meta.dirname, 'recordings/b10434.json'), 'utf8')));
const { signal } = new AbortController();

async function open() {
  const replay = await replayExchanges(recorded.exchanges);
  const server = connectLlamaCpp(replay.baseUrl);
  return {
    server,
    async [Symbol.asyncDispose]() {
      server.close();
      await replay[Symbol.asyncDispose]();
    },
  };
}

it('says that it gives ids without log-probabilities, of weights that stay', async () => {
  await using llama = await open();
  expect(await llama.server.describe(signal)).toMatchObject({
    program: expect.stringMatching(/^llama\.cpp b/),
    maxContextTokens: 1024,
    output: 'tokens',
    loadsVersions: false,
  });
  expect(llama.server.load).toBeUndefined();
});

it('P4: gives the ids of a turn, a stop string included, and how it ended', async () => {
  await using llama = await open();
  const { server } = llama;
  expect(await server.generate(requests.whole, signal)).toMatchObject({
    tokenIds: { length: requests.whole.maxNewTokens },
    logprobs: [],
    finish: 'length',
  });
  const stopped = await server.generate(requests.stopped, signal);
  expect(stopped.finish).toBe('stop');
  expect(stopped.tokenIds.length).toBeLessThan(requests.stopped.maxNewTokens);
});

it('repeats a turn with its seed, also one beyond its 32 bits', async () => {
  await using llama = await open();
  const [once, again] = [
    await llama.server.generate(requests.seeded, signal),
    await llama.server.generate(requests.seeded, signal),
  ];
  expect(again).toEqual(once);
});

it('makes ids of a text, and tells how busy it is', async () => {
  await using llama = await open();
  expect(await llama.server.tokenize?.('the <answer>', signal)).not.toHaveLength(0);
  expect(await llama.server.status(signal)).toEqual({ running: 0, waiting: 0, kvUsedRatio: 0, preemptions: 0n });
});

it('P2: a turn that the server cannot put into text is infrastructure, a prompt that it has no room for is not', async () => {
  await using llama = await open();
  await expect(llama.server.generate(requests.noText, signal)).rejects.toMatchObject({
    name: 'TransientError',
    // Not unavailable: the engine stays in use.
    code: 'aborted',
    message: expect.stringContaining('llama.cpp answered 500'),
  });
  await expect(llama.server.generate(requests.tooLong, signal)).rejects.toMatchObject({ name: 'TerminalError' });
});

it('P2: a turn that ended for no reason was aborted', async () => {
  const answer = { tokens: [1], stop_type: 'none' };
  await using replay = await replayExchanges([{ method: 'POST', path: '/completion', status: 200, answer }]);
  const server = connectLlamaCpp(replay.baseUrl);
  expect(await server.generate(requests.whole, signal)).toMatchObject({ finish: 'aborted' });
  server.close();
});
