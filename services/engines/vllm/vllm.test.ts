import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { exchanges, replayExchanges, type Exchange } from '../kit/exchanges.ts';
import { formRefusal } from '../kit/probe-forms.ts';
import { connectVllm } from './client.ts';
import { vllmOptions } from './options.ts';
import { askAll, askForms, formedTurn, plain, recordedDirectory } from './scenario-under-test.ts';
import { vllmArguments } from './start.ts';

const { signal } = new AbortController();
const read = (name: string): readonly Exchange[] =>
  exchanges.parse(JSON.parse(readFileSync(join(import.meta.dirname, 'recordings', name), 'utf8'))).exchanges;
const tokens = read('0.32.0.json');
const completions = read('0.32.0-completions.json');
const forms = read('0.32.0-forms.json');

async function open(recorded: readonly Exchange[]) {
  const replay = await replayExchanges(recorded);
  const server = connectVllm(replay.baseUrl, undefined);
  return {
    server,
    asked: replay.asked,
    async [Symbol.asyncDispose]() {
      server.close();
      await replay[Symbol.asyncDispose]();
    },
  };
}

/** `recorded` with what `change` makes of the answers of a path. */
const changed = (
  recorded: readonly Exchange[],
  path: string,
  change: (each: Exchange) => Partial<Exchange>,
): Exchange[] => recorded.map((each) => (each.path === path ? { ...each, ...change(each) } : each));

it.each([
  ['/inference/v1/generate', tokens],
  ['/v1/completions, where the other route is off', completions],
])(
  'P4: turns by %s are ids with their log-probabilities, and the same again with the same seed',
  async (_route, recorded) => {
    await using vllm = await open(recorded);
    const { turn, again, stopped, greedy, scores, ids, loaded } = await askAll(vllm.server, recordedDirectory, signal);
    expect(turn).toMatchObject({ finish: 'length' });
    expect(turn.tokenIds).toHaveLength(8);
    expect(turn.logprobs).toHaveLength(8);
    expect(again.tokenIds).toEqual(turn.tokenIds);
    expect(again.logprobs).toEqual(turn.logprobs);
    expect(stopped.finish).toBe('stop');
    expect(stopped.tokenIds.length).toBeLessThan(64);
    expect(greedy.tokenIds).toHaveLength(2);
    // Of the sequence: greedy ones are at temperature 1, as scores are.
    expect(scores).toHaveLength(11);
    expect(scores?.every((score) => score < 0)).toBe(true);
    expect(ids?.length).toBeGreaterThan(3);
    expect(loaded.logprobs).not.toEqual(turn.logprobs);
  },
);

it('finds out what it has: log-probabilities after temperature, a precision, versions', async () => {
  await using vllm = await open(tokens);
  expect(await vllm.server.describe(signal)).toEqual({
    program: 'vllm 0.32.0',
    model: 'policy',
    maxContextTokens: 1024,
    output: 'logprobs',
    logprobs: 'processed',
    toleranceNats: 0.002,
    loadsVersions: true,
    // Not in the recordings: the replay has no answer.
    forms: [],
    version: 0n,
    advice: [],
  });
});

it('without the token route it says what to switch on', async () => {
  await using vllm = await open(completions);
  const { output, advice } = await vllm.server.describe(signal);
  expect(output).toBe('logprobs');
  expect(advice).toEqual(['vllm does not say which weights wrote a token: start it with --enable-scale-out.']);
});

it('without its mode for development it takes no weights, and says what to switch on', async () => {
  const closed = ['/weight_info', '/server_info?config_format=json'].reduce<readonly Exchange[]>(
    (recorded, path) => changed(recorded, path, () => ({ status: 404, answer: { detail: 'Not Found' } })),
    tokens,
  );
  await using vllm = await open(closed);
  expect(await vllm.server.describe(signal)).toMatchObject({
    loadsVersions: false,
    toleranceNats: 0.05,
    advice: [expect.stringContaining('VLLM_SERVER_DEV_MODE=1')],
  });
});

it('spans say which version wrote: the one it was started with, and the one that it was given', async () => {
  await using vllm = await open(tokens);
  const { turn, loaded } = await askAll(vllm.server, recordedDirectory, signal);
  expect(turn.versions).toEqual({ first: 0n, last: 0n });
  expect(loaded.versions).toEqual({ first: 7n, last: 7n });
});

it('a load pauses, reloads, names the version, drops keys and values, and resumes, also where it fails', async () => {
  const failing = changed(tokens, '/collective_rpc', ({ asked, ...each }) =>
    String(asked?.['method']).startsWith('reload')
      ? { asked: { method: asked?.['method'] }, status: 500, answer: { error: { message: 'no such file' } } }
      : { ...each, ...(asked && { asked }) },
  );
  for (const recorded of [tokens, failing]) {
    await using vllm = await open(recorded);
    const load = vllm.server.load?.({ version: 7n, directory: recordedDirectory }, signal);
    await (recorded === failing ? expect(load).rejects.toThrow('no such file') : load);
    const paths = vllm.asked.map(({ path }) => path);
    expect(paths.slice(paths.indexOf('/pause?mode=keep'))).toEqual(
      recorded === failing
        ? ['/pause?mode=keep', '/collective_rpc', '/resume']
        : [
            '/pause?mode=keep',
            '/collective_rpc',
            '/update_weight_version',
            '/reset_prefix_cache?reset_running_requests=true',
            '/resume',
          ],
    );
  }
});

it('P2: what vLLM writes in the place of not-a-number is none, and an abort is no length', async () => {
  const choice = (fields: object) => ({
    status: 200,
    answer: {
      choices: [{ finish_reason: 'length', token_ids: [5], logprobs: { content: [{ logprob: -9999 }] }, ...fields }],
    },
  });
  const broken = await open(changed(tokens, '/inference/v1/generate', () => choice({})));
  await using vllm = broken;
  expect((await vllm.server.generate(plain, signal)).logprobs).toEqual([NaN]);
  await using aborted = await open(changed(tokens, '/inference/v1/generate', () => choice({ finish_reason: 'abort' })));
  expect(await aborted.server.generate(plain, signal)).toMatchObject({ finish: 'aborted' });
});

it.each([
  [500, 'TransientError', 'vllm answered 500'],
  [400, 'TerminalError', 'vllm answered 400'],
  [200, 'TransientError', 'vllm answered /inference/v1/generate with something else'],
])('an answer of status %i that is no turn is a %s with its name', async (status, name, words) => {
  await using vllm = await open(
    tokens.map((each) => (each.asked?.['request_id'] === 'plain' ? { ...each, status, answer: { oops: 1 } } : each)),
  );
  const failure = vllm.server.generate(plain, signal);
  await expect(failure).rejects.toThrow(words);
  await expect(failure).rejects.toMatchObject({ name });
});

it('P4: turns are held to a form, and log-probabilities are of what the form left, which is not what the model is scored by', async () => {
  await using vllm = await open(forms);
  const { forms: found, json, regex, scores, refused } = await askForms(vllm.server, signal);
  expect(found).toEqual(['json_object', 'json_schema', 'regex', 'grammar']);
  expect([json.finish, regex.finish]).toEqual(['stop', 'stop']);
  // Three letters, and the only token that may follow.
  expect(regex.logprobs.at(-1)).toBeCloseTo(0, 5);
  expect(scores?.at(-1)).toBeLessThan(-5);
  expect(formRefusal(formedTurn('badSchema'), refused)).toMatchObject({ code: 'invalid_argument' });
  expect(formRefusal(plain, refused)).toBeUndefined();
});

it('a caller that gives up is passed on: the server is told which turn', async () => {
  const told = Promise.withResolvers<string>();
  const running = Promise.withResolvers<void>();
  const holding = createServer((request, response) => {
    void text(request).then((body) => {
      if (body.includes('"plain"')) return running.resolve();
      if (request.url === '/inference/v1/abort_requests') told.resolve(body);
      const known = tokens.find(({ path }) => path === request.url);
      return response.end(JSON.stringify(known?.answer ?? {}));
    });
  }).listen(0, '127.0.0.1');
  await once(holding, 'listening');
  const address = holding.address();
  const server = connectVllm(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`, undefined);
  const caller = new AbortController();
  const turn = server.generate(plain, caller.signal);
  await running.promise;
  caller.abort();
  await expect(turn).rejects.toMatchObject({ name: 'CancelledError' });
  expect(JSON.parse(await told.promise)).toEqual({ request_ids: ['generate-tokens-plain'] });
  server.close();
  holding.closeAllConnections();
  holding.close();
});

it('what is not there is unavailable, with where it was sought', async () => {
  const { server, ...replay } = await open(tokens);
  await replay[Symbol.asyncDispose]();
  await expect(server.status(signal)).rejects.toThrow('vllm cannot be reached at 127.0.0.1:');
});

it('status is what /metrics says, and the version', async () => {
  await using vllm = await open(tokens);
  expect(await vllm.server.status(signal)).toEqual({
    running: 0,
    waiting: 0,
    kvUsedRatio: expect.closeTo(0, 2),
    preemptions: expect.any(BigInt),
    version: 0n,
  });
});

it('a server that is started has the routes that are used, on loopback, and what the CPU needs', () => {
  const plan = {
    modelDirectory: '/m',
    tokenizerDirectory: '/t',
    version: 0n,
    maxContext: 4096,
    maxRunning: 8,
    threads: 1,
    device: 'cpu',
  } as const;
  const cpu = vllmArguments(plan, vllmOptions.parse({ args: ['--seed', '1'] }), 4).join(' ');
  expect(cpu).toContain(
    '--model /m --tokenizer /t --served-model-name policy --host 127.0.0.1 --port 4 --dtype float32',
  );
  expect(cpu).toContain('--logprobs-mode processed_logprobs --generation-config vllm --enable-scale-out');
  expect(cpu).toContain('--no-enable-chunked-prefill --max-num-batched-tokens 4096');
  expect(cpu).toMatch(/ --distributed-executor-backend uni --worker-extension-cls gradus_worker.Reload --seed 1$/);
  const cuda = vllmArguments({ ...plan, device: 'cuda' }, vllmOptions.parse({}), 4).join(' ');
  expect(cuda).toContain('--dtype auto');
  expect(cuda).not.toContain('chunked');
});

it.each([
  [
    'a name that is not listed',
    'other',
    {},
    "vllm has no model 'other'; it lists 'policy': name one as options.model_name",
  ],
  ['a model without a length', undefined, { max_model_len: null }, "vllm lists model 'policy' without max_model_len"],
])('%s is refused, and no context is guessed', async (_what, modelName, fields, words) => {
  const listed = { status: 200, answer: { data: [{ id: 'policy', max_model_len: 1024, ...fields }] } };
  await using replay = await replayExchanges(changed(tokens, '/v1/models', () => listed));
  const server = connectVllm(replay.baseUrl, modelName);
  await expect(server.describe(signal)).rejects.toThrow(words);
  server.close();
});
