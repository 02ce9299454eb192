import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { EngineOutput } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason, LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { ServerTurn } from '#engines/kit/engine-server.ts';
import { vllm } from '#engines/vllm/vllm.ts';
import { untilCancelled } from '#platform/async/sleep.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import { eventually, scriptedServer, sidecar, stopAll, tokenizer, turnOf } from './sidecar-under-test.ts';

afterEach(stopAll);

const hello = tokenizer.encode('hello there');

it('says what the server gives, and counts its own requests', async () => {
  const server = scriptedServer({ description: { advice: ['Switch something on.'], maxContextTokens: 48 } });
  const { client } = await sidecar(server);
  expect(await client.describe({})).toMatchObject({
    model: 'policy',
    server: 'scripted 1.0',
    maxContextTokens: 48,
    tokenizerHash: tokenizer.hash,
    output: EngineOutput.LOGPROBS,
    logprobKind: LogprobKind.TEMPERED,
    fixedWeights: false,
    advice: ['Switch something on.'],
    version: 0n,
  });
});

it('P4: a turn is the tokens of the server, decoded by our tokenizer, with the digest of the whole sequence', async () => {
  const server = scriptedServer();
  const { client } = await sidecar(server);
  const response = await client.generate(turnOf({}, { seed: 2n ** 63n + 5n, stop: ['</a>'] }));
  expect(response).toMatchObject({
    tokenIds: hello,
    text: tokenizer.decode(hello),
    finishReason: FinishReason.STOP,
    logprobKind: LogprobKind.TEMPERED,
    versions: { first: 0n, last: 0n },
  });
  expect(response.sequenceDigest).toEqual(Buffer.from(sequenceDigest([1, 2, 3, ...hello])));
  expect(server.requests[0]).toMatchObject({ seed: 5, stop: ['</a>'], topP: 1, cacheNamespace: 'gradus-0' });
});

it.each([
  ['max_new_tokens', {}, { maxNewTokens: 2 }, FinishReason.LENGTH],
  ['the context', { contextTokens: 5 }, { maxNewTokens: 8 }, FinishReason.CONTEXT],
])('a turn that ran out of room ends by %s', async (_what, request, sampling, finishReason) => {
  const turn = ({ maxNewTokens }: { maxNewTokens: number }): ServerTurn => ({
    tokenIds: Array<number>(maxNewTokens).fill(7),
    logprobs: Array<number>(maxNewTokens).fill(-1),
    finish: 'length',
  });
  const { client } = await sidecar(scriptedServer({ turn }));
  expect(await client.generate(turnOf(request, sampling))).toMatchObject({ tokenIds: [7, 7], finishReason });
});

it('a prompt that fills the context is a turn without tokens, and the server is not asked', async () => {
  const server = scriptedServer();
  const { client } = await sidecar(server);
  expect(await client.generate(turnOf({ contextTokens: 3 }))).toMatchObject({
    tokenIds: [],
    finishReason: FinishReason.CONTEXT,
  });
  expect(server.requests).toEqual([]);
});

it.each<[string, ServerTurn, string]>([
  ['gives up', { tokenIds: [5], logprobs: [-1], finish: 'aborted' }, 'gave the turn up'],
  ['counts wrongly', { tokenIds: [5, 6], logprobs: [-1], finish: 'stop' }, 'gave 1 logprobs for 2 tokens'],
  [
    'gives not-a-number',
    { tokenIds: [5], logprobs: [NaN], finish: 'stop' },
    'gave NaN as the log-probability of token 0 of 1',
  ],
  ['gives more than certainty', { tokenIds: [5], logprobs: [0.5], finish: 'stop' }, 'gave 0.5 as'],
  [
    'goes beyond the room',
    { tokenIds: Array(9).fill(5), logprobs: Array(9).fill(-1), finish: 'stop' },
    'gave 9 tokens where 8',
  ],
  [
    'has a shorter context',
    { tokenIds: [5], logprobs: [-1], finish: 'length' },
    'ended the turn as too long after 1 of 8 tokens',
  ],
  ['writes nothing', { tokenIds: [], logprobs: [], finish: 'stop' }, 'gave no tokens'],
])('P2: a server that %s is infrastructure, with its name', async (_what, turn, words) => {
  const { client } = await sidecar(scriptedServer({ turn: () => turn }));
  const failure = client.generate(turnOf());
  await expect(failure).rejects.toThrow(`scripted 1.0 ${words}`);
  await expect(failure).rejects.toMatchObject({ name: 'TransientError', code: 'aborted' });
});

it.each([
  [{ tokenIds: [] }, {}, 'token_ids is empty'],
  [{ tokenIds: Array(65).fill(1) }, {}, "token_ids has 65 tokens, over the engine's maximum of 64"],
  [{ contextTokens: 65 }, {}, 'context_tokens is 65'],
  [{ priority: 10 }, {}, 'priority is 10'],
  [{}, { temperature: 11 }, 'sampling.temperature is 11; it must lie in 0..10 (0 is greedy)'],
  [{}, { topP: 1.5 }, 'sampling.top_p is 1.5'],
  [{}, { maxNewTokens: 0 }, 'sampling.max_new_tokens is 0; ask for at least one token'],
  [{}, { stop: [''] }, 'sampling.stop holds an empty string'],
  [{}, { stop: Array(17).fill('x') }, 'sampling.stop has 17 strings'],
])('what can never be served is refused with the field: %o %o', async (request, sampling, words) => {
  const { client } = await sidecar(scriptedServer());
  const failure = client.generate(turnOf(request, sampling));
  await expect(failure).rejects.toThrow(words);
  await expect(failure).rejects.toMatchObject({ code: 'invalid_argument' });
});

it('Abort ends a turn as ABORTED and the server is told; a caller that is gone ends it, too', async () => {
  const told: AbortSignal[] = [];
  const server = scriptedServer({
    turn: (_request, signal) => (told.push(signal), untilCancelled(new Promise<ServerTurn>(() => {}), signal)),
  });
  const { client } = await sidecar(server);
  const aborted = client.generate(turnOf());
  await eventually(() => expect(told).toHaveLength(1));
  expect(await client.abort({ requestId: 's:0:0' })).toMatchObject({ aborted: true });
  expect(await aborted).toMatchObject({ finishReason: FinishReason.ABORTED, tokenIds: [] });
  const caller = new AbortController();
  const cancelled = client.generate(turnOf({ requestId: 's:0:1' }), { signal: caller.signal });
  await eventually(() => expect(told).toHaveLength(2));
  caller.abort();
  await expect(cancelled).rejects.toMatchObject({ name: 'CancelledError' });
  await eventually(() => expect(told.every(({ aborted: isTold }) => isTold)).toBe(true));
  expect(await client.abort({ requestId: 's:0:1' })).toMatchObject({ aborted: false });
});

it('at most max_running turns are at the server, the most urgent is next, and a full line refuses', async () => {
  const gates: (() => void)[] = [];
  const server = scriptedServer({
    turn: () => new Promise((resolve) => gates.push(() => resolve({ tokenIds: [5], logprobs: [-1], finish: 'stop' }))),
  });
  const { client } = await sidecar(server, { server: 'http://127.0.0.1:1', maxRunning: 1, maxWaiting: 2 });
  const ask = (requestId: string, priority: number, tokenIds: number[]) =>
    client.generate(turnOf({ requestId, priority, tokenIds }));
  const first = ask('a:0', 0, [1]);
  await eventually(() => expect(gates).toHaveLength(1));
  const second = ask('b:0', 0, [2]);
  await eventually(async () => expect((await client.describe({})).waiting).toBe(1));
  const urgent = ask('c:0', 1, [3]);
  await eventually(async () => expect((await client.describe({})).waiting).toBe(2));
  await expect(ask('d:0', 0, [4])).rejects.toMatchObject({ code: 'resource_exhausted', retryAfterMs: 250 });
  for (const count of [1, 2, 3]) {
    await eventually(() => expect(gates).toHaveLength(count));
    gates[count - 1]?.();
  }
  await Promise.all([first, second, urgent]);
  expect(server.requests.map(({ tokenIds }) => tokenIds[0])).toEqual([1, 3, 2]);
});

it('log-probabilities after top-p are none: the turn is scored once more, raw', async () => {
  const { client } = await sidecar(scriptedServer());
  expect(await client.generate(turnOf({}, { topP: 0.9 }))).toMatchObject({
    logprobs: hello.map(() => -1),
    logprobKind: LogprobKind.TEMPERED,
  });
  expect(await client.generate(turnOf({}, { topK: 5, temperature: 0.5 }))).toMatchObject({
    logprobs: hello.map(() => -1),
    logprobKind: LogprobKind.RAW,
  });
  expect(await client.generate(turnOf({}, { topP: 0.9, temperature: 0 }))).toMatchObject({
    logprobs: hello.map(() => -0.5),
  });
});

it('a server without log-probabilities is said to be one, and its turns say so', async () => {
  const turn = (): ServerTurn => ({ tokenIds: [5], logprobs: [], finish: 'stop' });
  const { client } = await sidecar(
    scriptedServer({ turn, description: { output: 'tokens', logprobs: undefined } as object }),
  );
  expect(await client.describe({})).toMatchObject({
    output: EngineOutput.TOKENS,
    logprobKind: LogprobKind.UNSPECIFIED,
  });
  expect(await client.generate(turnOf())).toMatchObject({ logprobs: [], logprobKind: LogprobKind.ABSENT });
});

it('another tokenizer, and text alone, end the start with what to do', async () => {
  const shifted = scriptedServer({ tokenize: (text) => tokenizer.encode(text).map((id) => id + 1) });
  await expect(sidecar(shifted)).rejects.toThrow('scripted 1.0 has another tokenizer than');
  const text = scriptedServer({ description: { output: 'text', advice: ['Take a later version.'] } });
  await expect(sidecar(text)).rejects.toThrow(
    'Take a later version. To evaluate it as it is, name it as model.endpoint',
  );
});

it('a server that does not answer is unavailable after several looks, and what it serves is asked when it is back', async () => {
  const server = scriptedServer();
  const { client } = await sidecar(server);
  server.script.isDown = true;
  await eventually(async () => {
    await expect(client.describe({})).rejects.toMatchObject({ code: 'unavailable' });
  });
  await expect(client.generate(turnOf())).rejects.toThrow('scripted 1.0 is down');
  server.script.isDown = false;
  await eventually(async () => expect(await client.describe({})).toMatchObject({ version: 0n }));
  expect(await client.generate(turnOf())).toMatchObject({ tokenIds: hello });
});

it('a turn that found more in the cache than it asked with is a turn', async () => {
  const turn = (): ServerTurn => ({ tokenIds: [5], logprobs: [-1], finish: 'stop', cachedTokens: 9 });
  const { client } = await sidecar(scriptedServer({ turn }));
  expect(await client.generate(turnOf())).toMatchObject({ tokenIds: [5], cachedTokens: 3 });
});

it('P3: a server that takes the connection and says nothing ends the start, with its address', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const address = silent.address();
  const server = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  const start = sidecar({ kind: vllm }, { server, answerTimeoutMs: 100 });
  await expect(start).rejects.toThrow(`vllm at ${server}: asking it what it can do took longer than 100 ms`);
  await expect(start).rejects.toMatchObject({ code: 'unavailable' });
  silent.closeAllConnections();
  silent.close();
});

it('a server that was started here and is refused is ended', async () => {
  const server = scriptedServer({ tokenize: (text) => tokenizer.encode(text).map((id) => id + 1) });
  const model = await temporaryDirectory('model-');
  await expect(sidecar(server, { model })).rejects.toThrow('has another tokenizer than');
  expect(server.starts).toHaveLength(1);
  await stopAll();
  expect(server.starts[0]?.ended).toBe(true);
});
