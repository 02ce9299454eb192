import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EngineService } from '#proto/policy/v1/engine_service_pb.ts';
import type { GenerateRequest } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason } from '#proto/trajectory/v1/trajectory_pb.ts';
import { createGrpcClient, type GrpcClient } from '#platform/grpc/client.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { loadTokenizer, type Tokenizer } from '#chat/tokenizer.ts';
import { programOf } from '../../services/fleet/service-programs.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';

// What an engine promises by its contract, asked of the built-in one with policies/nano.
const model = join(repositoryRoot, 'policies/nano');
const context = 256;

let child: ChildProcess;
let client: GrpcClient<typeof EngineService>;
let tokenizer: Tokenizer;
let prompt: number[];

beforeAll(async () => {
  tokenizer = await loadTokenizer(join(model, 'tokenizer.json'));
  prompt = tokenizer.encode('Question: Name the headquarters of the sponsor of Lavaeum Clurtower.');
  const { command, args, env } = programOf('engine');
  const flags = ['--model', model, '--grpc', '127.0.0.1:0', '--max-context', `${context}`, '--threads', '1'];
  child = spawn(command, [...args, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env, GRADUS_LOG_LEVEL: 'fatal' },
  });
  if (child.stdout === null) throw new Error('no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const { grpc } = JSON.parse(line);
    client = createGrpcClient(EngineService, grpc, { timeoutMs: 200_000 });
    return;
  }
  throw new Error('the engine ended before it served');
});

afterAll(() => {
  client.close();
  child.kill('SIGKILL');
});

type Asked = Partial<Pick<GenerateRequest, 'tokenIds' | 'contextTokens' | 'minVersion'>> & {
  readonly sampling?: object;
};

function ask(id: string, { sampling, ...more }: Asked = {}) {
  return {
    requestId: id,
    sessionId: id,
    tokenIds: prompt,
    contextTokens: context,
    ...more,
    sampling: { temperature: 1, topP: 1, maxNewTokens: 32, seed: 7n, ...sampling },
  };
}

test('one seed gives one turn, alone and in company, with a digest of the whole sequence', async () => {
  const alone = await client.generate(ask('a'));
  const company = Array.from({ length: 8 }, (_, index) =>
    client.generate(ask(`other-${index}`, { sampling: { seed: BigInt(index) } })),
  );
  const again = await client.generate(ask('b'));
  await Promise.all(company);
  expect(again.tokenIds).toEqual(alone.tokenIds);
  expect(alone.logprobs).toHaveLength(alone.tokenIds.length);
  for (const [index, logprob] of again.logprobs.entries()) expect(logprob).toBeCloseTo(alone.logprobs[index] ?? NaN, 4);
  expect(Buffer.from(alone.sequenceDigest)).toEqual(Buffer.from(sequenceDigest([...prompt, ...alone.tokenIds])));
});

test('at temperature 0 the seed does not matter', async () => {
  const [first, second] = await Promise.all(
    [1n, 2n].map((seed) => client.generate(ask(`greedy-${seed}`, { sampling: { temperature: 0, seed } }))),
  );
  expect(first?.tokenIds).toEqual(second?.tokenIds);
});

test('a stop string ends a turn also where it begins in the middle of one token and ends in another', async () => {
  const { tokenIds } = await client.generate(ask('whole', { sampling: { temperature: 0 } }));
  const texts = tokenIds.map((id) => tokenizer.decode([id]));
  const at = texts.findIndex((text, index) => index > 1 && text.length > 1 && (texts[index + 1] ?? '').length > 1);
  const stop = `${texts[at]?.slice(-1)}${texts[at + 1]?.slice(0, 1)}`;
  const cut = await client.generate(ask('cut', { sampling: { temperature: 0, stop: [stop] } }));
  expect(cut.finishReason).toBe(FinishReason.STOP);
  expect(cut.text).toContain(stop);
  expect(cut.tokenIds).toEqual(tokenIds.slice(0, cut.tokenIds.length));
  expect(cut.tokenIds.length).toBeLessThanOrEqual(at + 2);
});

test('a turn ends at its length, and at the context of its request, and says which it was', async () => {
  const short = await client.generate(ask('short', { sampling: { maxNewTokens: 2 } }));
  expect([short.finishReason, short.tokenIds.length]).toEqual([FinishReason.LENGTH, 2]);
  const full = await client.generate(ask('full', { contextTokens: prompt.length + 3 }));
  expect([full.finishReason, full.tokenIds.length]).toEqual([FinishReason.CONTEXT, 3]);
});

test('50 requests go on while other weights are loaded, and say which versions wrote them', async () => {
  const answers = Array.from({ length: 50 }, (_, index) =>
    client.generate(ask(`load-${index}`, { sampling: { seed: BigInt(index) } })),
  );
  await client.loadVersion({ version: 1n, weightsPath: model });
  const spans = (await Promise.all(answers)).map(({ versions }) => versions);
  for (const span of spans) expect((span?.first ?? 9n) <= (span?.last ?? 0n) && (span?.last ?? 9n) <= 1n).toBe(true);
  expect((await client.generate(ask('after'))).versions).toMatchObject({ first: 1n, last: 1n });
  await expect(client.generate(ask('newer', { minVersion: 2n }))).rejects.toMatchObject({ code: 'unavailable' });
});

test('what cannot be is refused by name', async () => {
  await expect(client.generate(ask('empty', { tokenIds: [] }))).rejects.toThrow('token_ids');
  await expect(client.generate(ask('beyond', { tokenIds: [1, 4_000_000] }))).rejects.toThrow('token_ids');
  await expect(client.generate(ask('nothing', { sampling: { maxNewTokens: 0 } }))).rejects.toThrow('max_new_tokens');
  expect(await client.abort({ requestId: 'never-asked' })).toMatchObject({ aborted: false });
});
