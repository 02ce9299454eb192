import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { GenerateRequestSchema } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason } from '#proto/trajectory/v1/trajectory_pb.ts';
import { CancelledError } from '#platform/errors.ts';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import { generate } from '../handlers/generate.ts';
import { createEngine, type Script } from './engine.ts';

const tokenizer = await loadTokenizer(join(import.meta.dirname, '../../../../tests/fixtures/tokenizer/tokenizer.json'));
const never = new AbortController().signal;
const longMs = 60_000;

function engineOf(script: Script, limits: { maxRunning?: number; maxWaiting?: number } = {}) {
  const ended: string[] = [];
  const events = { turnEnded: (outcome: string) => void ended.push(outcome), loadChanged() {}, promptUnknown() {} };
  return {
    ended,
    engine: createEngine({ tokenizer, script, maxContext: 64, maxRunning: 4, maxWaiting: 4, ...limits, events }),
  };
}

function requestOf(requestId: string, maxNewTokens = 32) {
  return create(GenerateRequestSchema, {
    requestId,
    sessionId: 'task',
    tokenIds: [5, 6, 7],
    sampling: { temperature: 1, maxNewTokens, seed: 9n },
    contextTokens: 40,
  });
}

test('P4: an answer is the tokens of its text, with the digest of the whole sequence', async () => {
  const { engine } = engineOf(() => ({ text: 'hello there', latencyMs: 0 }));
  const response = await generate(engine, requestOf('task:0:0'), never);
  const tokenIds = tokenizer.encode('hello there');
  expect(response).toMatchObject({ tokenIds, text: 'hello there', finishReason: FinishReason.STOP });
  expect(response.logprobs).toHaveLength(tokenIds.length);
  expect(response.sequenceDigest).toEqual(sequenceDigest([5, 6, 7, ...tokenIds]));
});

test('an answer without room is cut to its tokens, and says by which limit', async () => {
  const { engine } = engineOf(() => ({ text: 'one two three four five six seven eight '.repeat(20), latencyMs: 0 }));
  const byLength = await generate(engine, requestOf('task:0:0', 3), never);
  expect(byLength).toMatchObject({ finishReason: FinishReason.LENGTH });
  expect(byLength.text).toBe(tokenizer.decode(byLength.tokenIds ?? []));
  expect(byLength.tokenIds).toHaveLength(3);
  const byContext = await generate(engine, requestOf('task:0:0', 1000), never);
  expect(byContext).toMatchObject({ finishReason: FinishReason.CONTEXT });
  expect(byContext.tokenIds).toHaveLength(37);
});

test('a cancelled call stops its wait and frees its place', async () => {
  const { engine, ended } = engineOf(() => ({ text: 'late', latencyMs: longMs }));
  const caller = new AbortController();
  const pending = generate(engine, requestOf('task:0:0'), caller.signal);
  await expect.poll(() => engine.running).toBe(1);
  caller.abort();
  await expect(pending).rejects.toBeInstanceOf(CancelledError);
  expect([engine.running, engine.abort('task:0:0')]).toEqual([0, false]);
  expect(ended).toEqual(['cancelled']);
});

test('Abort ends a running and a waiting turn as ABORTED; an unknown one is not aborted', async () => {
  const { engine } = engineOf(() => ({ text: 'late', latencyMs: longMs }), { maxRunning: 1 });
  const runs = generate(engine, requestOf('task:0:0'), never);
  const waits = generate(engine, requestOf('task:0:1'), never);
  await expect.poll(() => [engine.running, engine.waiting]).toEqual([1, 1]);
  expect(engine.abort('task:0:1')).toBe(true);
  expect(await waits).toMatchObject({ finishReason: FinishReason.ABORTED });
  expect(engine.abort('task:0:0')).toBe(true);
  expect(await runs).toMatchObject({ finishReason: FinishReason.ABORTED });
  expect([engine.running, engine.waiting, engine.abort('task:0:0')]).toEqual([0, 0, false]);
});

test('P6: a turn more than may wait is refused, with the time to come back', async () => {
  const { engine } = engineOf(() => ({ text: 'late', latencyMs: longMs }), { maxRunning: 1, maxWaiting: 0 });
  const runs = generate(engine, requestOf('task:0:0'), never);
  await expect.poll(() => engine.running).toBe(1);
  await expect(generate(engine, requestOf('task:0:1'), never)).rejects.toMatchObject({ code: 'resource_exhausted' });
  engine.abort('task:0:0');
  await runs;
});

test('P5: a version that is loaded during a turn is in its span; versions only grow', async () => {
  const gate = Promise.withResolvers<void>();
  const { engine } = engineOf(async () => {
    await gate.promise;
    return { text: 'two versions', latencyMs: 0 };
  });
  const pending = generate(engine, requestOf('task:0:0'), never);
  await expect.poll(() => engine.running).toBe(1);
  expect(engine.loadVersion(3n, '/w/3')).toEqual({ version: 3n, carriedOver: 1 });
  gate.resolve();
  expect(await pending).toMatchObject({ versions: { first: 0n, last: 3n } });
  expect(() => engine.loadVersion(2n, '/w/2')).toThrow(/version is 2, but version 3 serves already/);
});

test('P5: weights older than a request needs do not write for it', async () => {
  const { engine } = engineOf(() => ({ text: 'x', latencyMs: 0 }));
  const needs = { ...requestOf('task:0:0'), minVersion: 3n };
  await expect(generate(engine, needs, never)).rejects.toThrow(/version 0 serves, older than min_version 3/);
  engine.loadVersion(3n, '/w/3');
  expect(await generate(engine, needs, never)).toMatchObject({ versions: { first: 3n } });
});

test.each([
  ['a request id without a turn', { requestId: 'task' }, /request_id is 'task'; .* ends in ':TURN'/],
  ['no tokens', { tokenIds: [] }, /token_ids is empty/],
  ['no room', { contextTokens: 3 }, /token_ids has 3 tokens; 3 leave no room/],
  ['a context over the maximum', { contextTokens: 65 }, /context_tokens is 65, over the engine's maximum of 64/],
])('%s is refused by name', async (_case, change, message) => {
  const { engine } = engineOf(() => ({ text: 'x', latencyMs: 0 }));
  await expect(generate(engine, { ...requestOf('task:0:0'), ...change }, never)).rejects.toThrow(message);
});
