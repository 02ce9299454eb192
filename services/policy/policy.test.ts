import { afterEach, describe, expect, it } from 'vitest';
import { FinishReason } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TransientError } from '#platform/errors.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import { lastingAddress } from '../../tests/fixtures/lasting-port.ts';
import { engine, eventually, gateway, heldScript, stopAll, turnOf } from './gateway-under-test.ts';

afterEach(stopAll);

describe('policy gateway', () => {
  it('P4: passes on ids, logprobs, versions and the digest of the whole sequence as the engine gave them', async () => {
    const { client } = await gateway([await engine()]);
    const response = await client.generate(turnOf('s'));
    expect(response).toMatchObject({
      text: '<answer> 0 </answer>',
      finishReason: FinishReason.STOP,
      versions: { first: 0n, last: 0n },
    });
    expect(response.logprobs).toHaveLength(response.tokenIds.length);
    expect(Buffer.from(response.sequenceDigest)).toEqual(Buffer.from(sequenceDigest([1, 2, 3, ...response.tokenIds])));
  });

  it('keeps the turns of a session on one engine', async () => {
    const engines = [await engine(), await engine()];
    const { client } = await gateway(engines);
    for (let index = 0; index < 4; index += 1) {
      await Promise.all(['a', 'b', 'c', 'd'].map((session) => client.generate(turnOf(session, index))));
    }
    for (const { generated } of engines) {
      expect(generated).toHaveLength(8);
      expect(new Set(generated.map(({ sessionId }) => sessionId)).size).toBe(2);
    }
  });

  it('P1: moves the requests of an engine that is killed to another, with the same seed', async () => {
    const dying = await engine({ script: () => ({ text: 'x', delayMs: 60_000 }) });
    const living = await engine();
    const { client } = await gateway([dying, living]);
    const answers = Array.from({ length: 8 }, (_, i) => client.generate(turnOf(`s${i}`)));
    await eventually(() => expect(dying.generated.length + living.generated.length).toBe(8));
    const lost = dying.generated.map(({ request }) => request.requestId);
    await dying.kill();
    expect((await Promise.all(answers)).map(({ text }) => text)).toEqual(Array(8).fill('<answer> 0 </answer>'));
    expect(lost.length).toBeGreaterThan(0);
    for (const requestId of lost) {
      const repeated = living.generated.find(({ request }) => request.requestId === requestId);
      expect(repeated?.request.sampling?.seed).toBe(7n);
    }
    expect(await client.describe({})).toMatchObject({ engines: 1 });
  });

  it('P3: moves the requests of an engine that answers no probe', async () => {
    let frozen = false;
    const ice = await engine({ frozen: () => frozen });
    const living = await engine();
    const { client } = await gateway([ice, living], { probeTimeoutMs: 500, probeFailures: 2 });
    frozen = true;
    const answers = await Promise.all(Array.from({ length: 4 }, (_, i) => client.generate(turnOf(`f${i}`))));
    expect(answers.map(({ text }) => text)).toEqual(Array(4).fill('<answer> 0 </answer>'));
    expect(ice.generated.length).toBeGreaterThan(0);
    expect((await client.describe({})).engines).toBe(1);
  });

  it('asks another engine when one is busy, and passes on the advice when all are', async () => {
    const busy = () => {
      throw new TransientError('resource_exhausted', 'the cache is full', { retryAfterMs: 1234 });
    };
    const first = await engine({ script: busy });
    const second = await engine({ script: ({ sessionId }) => (sessionId === 'unlucky' ? busy() : 'ok') });
    const { client } = await gateway([first, second]);
    expect((await client.generate(turnOf('lucky'))).text).toBe('ok');
    await expect(client.generate(turnOf('unlucky'))).rejects.toMatchObject({
      code: 'resource_exhausted',
      retryAfterMs: 1234,
    });
  });

  it('P6: refuses what does not fit its queue', async () => {
    const { script, letGo } = heldScript('x');
    const { client, metrics } = await gateway([await engine({ script })], { maxInFlightPerEngine: 1, maxQueued: 1 });
    const calls = ['a', 'b', 'c'].map((session) => client.generate(turnOf(session)));
    // The one that is refused is the first to hear.
    await Promise.race(calls).catch(letGo);
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'resource_exhausted' },
    });
    expect(await metrics.render()).toMatch(/gradus_policy_generations_total\{outcome="resource_exhausted"\} 1/);
  });

  it('shows how full the fullest engine is, before it has work', async () => {
    const { metrics } = await gateway([await engine({ kvUsedRatio: 0.75 }), await engine({ kvUsedRatio: 0.5 })]);
    await eventually(async () => expect(await metrics.render()).toMatch(/^gradus_policy_kv_used_ratio 0\.75$/m));
  });

  it('P3: cancels the generation on the engine when the caller disconnects', async () => {
    const slow = await engine({ script: () => ({ text: 'x', delayMs: 60_000 }) });
    const { client } = await gateway([slow]);
    const controller = new AbortController();
    const call = client.generate(turnOf('s'), { signal: controller.signal });
    await eventually(() => expect(slow.counts().running).toBe(1));
    controller.abort();
    await expect(call).rejects.toMatchObject({ name: 'CancelledError' });
    await eventually(() => expect(slow.counts()).toMatchObject({ running: 0, cancelled: 1 }));
  });

  it('loads a version on every engine while requests go on', async () => {
    const { script, letGo } = heldScript('x');
    const engines = [await engine({ script }), await engine({ script })];
    const { client } = await gateway(engines);
    const running = Promise.all(['a', 'b', 'c'].map((session) => client.generate(turnOf(session))));
    await eventually(() => expect(engines.reduce((sum, one) => sum + one.counts().running, 0)).toBe(3));
    expect(await client.loadVersion({ version: 4n, weightsPath: '/w/4' })).toMatchObject({
      version: 4n,
      carriedOver: 3,
    });
    letGo();
    expect((await running).map(({ versions }) => versions)).toMatchObject(
      [1, 2, 3].map(() => ({ first: 0n, last: 4n })),
    );
    expect(await client.describe({})).toMatchObject({ version: 4n, engines: 2 });
  });

  it('P1: is not loaded for a leader of the past, and engines hear which leader asked', async () => {
    const epochs: bigint[] = [];
    const { client } = await gateway([await engine({ onLoad: ({ epoch }) => void epochs.push(epoch) })]);
    await client.loadVersion({ version: 1n, weightsPath: '/w/1', epoch: 7n });
    await client.loadVersion({ version: 2n, weightsPath: '/w/2', epoch: 9n });
    await expect(client.loadVersion({ version: 3n, weightsPath: '/w/3', epoch: 7n })).rejects.toThrow(
      'epoch is 7, but a coordinator of epoch 9 leads',
    );
    await expect(client.loadVersion({ version: 3n, weightsPath: '/w/3' })).rejects.toThrow('epoch is 0');
    // Would lock every later leader out.
    await expect(client.loadVersion({ version: 3n, weightsPath: '/w/3', epoch: 2n ** 60n })).rejects.toThrow(
      'it must be at most 2^53 - 1',
    );
    expect(epochs).toEqual([7n, 9n]);
    expect(await client.describe({})).toMatchObject({ version: 2n });
  });

  it('is refused when its number would leave no room for later ones', async () => {
    const { client } = await gateway([await engine()]);
    await client.loadVersion({ version: 5n, weightsPath: '/w/5', epoch: 1n });
    for (const version of [2n ** 53n + 1n, 2n ** 64n - 1n, 5n + 2n ** 32n + 1n])
      await expect(client.loadVersion({ version, weightsPath: '/w', epoch: 2n })).rejects.toThrow(
        `version is ${version}, and 5 serves; give one of at most ${5n + 2n ** 32n}`,
      );
    // Nor has the refused call become the leader.
    await client.loadVersion({ version: 6n, weightsPath: '/w/6', epoch: 1n });
  });

  it('hands on the digest of the weights, and has an engine with other ones load them anew', async () => {
    const asked: string[] = [];
    const one = await engine({ onLoad: ({ weightsDigest }) => void asked.push(weightsDigest) });
    const { client } = await gateway([one]);
    const load = { version: 3n, weightsPath: '/w/3', weightsDigest: 'aa' };
    await client.loadVersion(load);
    expect(await client.describe({})).toMatchObject({ version: 3n, weightsDigest: 'aa' });
    // As when the engine had missed that the version was made again elsewhere.
    one.loadOtherWeights('bb');
    await eventually(() => expect(asked).toEqual(['aa', 'aa']));
    await eventually(async () => expect((await client.describe({})).engines).toBe(1));
  });

  it('P5: does not route to an engine that missed a version until it has loaded it', async () => {
    let broken = true;
    const good = await engine();
    const bad = await engine({
      onLoad: () => {
        if (broken) throw new TransientError('unavailable', 'disk is unavailable');
      },
    });
    const { client } = await gateway([good, bad]);
    await client.loadVersion({ version: 2n, weightsPath: '/w/2' });
    const versions = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => (await client.generate(turnOf(`v${i}`))).versions?.last),
    );
    expect(versions).toEqual(Array(6).fill(2n));
    broken = false;
    await eventually(async () => expect((await client.describe({})).engines).toBe(2));
    expect(bad.counts().version).toBe(2n);
  });

  it('P5: gives an engine that was restarted the current version before its first request', async () => {
    const first = await engine({ address: await lastingAddress() });
    const { client } = await gateway([first]);
    await client.loadVersion({ version: 9n, weightsPath: '/w/9' });
    await first.kill();
    const second = await engine({ address: first.address });
    await eventually(async () =>
      expect((await client.generate(turnOf('s'))).versions).toMatchObject({ first: 9n, last: 9n }),
    );
    expect(second.counts().version).toBe(9n);
  });

  it('P3: says unavailable, with a time to come back, when no engine came in time, and serves once one is there', async () => {
    const gone = await engine({ address: await lastingAddress() });
    await gone.kill();
    const { client } = await gateway([gone], { maxOutageMs: 200 });
    await expect(client.generate(turnOf('s'))).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 500 });
    await expect(client.describe({})).rejects.toMatchObject({ code: 'unavailable' });
    await engine({ address: gone.address });
    await eventually(async () => expect((await client.generate(turnOf('s'))).text).toBe('<answer> 0 </answer>'));
  });

  it('P4: refuses to start with an engine that has another tokenizer, and names both', async () => {
    const other = await engine({ tokenizerHash: 'f'.repeat(64) });
    await expect(gateway([other])).rejects.toThrow(
      /has tokenizer f{64}, the gateway [0-9a-f]{64}; start both with the same/,
    );
  });

  it.each([
    ['token_ids', { tokenIds: [] }],
    ['session_id', { sessionId: '' }],
    ['request_id', { requestId: '' }],
    ['context_tokens', { contextTokens: 3 }],
    ['sampling', { sampling: undefined }],
    ['sampling.max_new_tokens', { sampling: { maxNewTokens: 0 } }],
    ['sampling.temperature', { sampling: { maxNewTokens: 1, temperature: -1 } }],
    ['sampling.top_p', { sampling: { maxNewTokens: 1, topP: 2 } }],
    ['sampling.stop', { sampling: { maxNewTokens: 1, stop: [''] } }],
  ])('refuses a request with a bad %s by name', async (field, overrides) => {
    const { client } = await gateway([await engine()]);
    await expect(client.generate(turnOf('s', 0, overrides))).rejects.toThrow(
      new RegExp(`Generate: ${field.replaceAll('.', '\\.')} `),
    );
  });

  it('P4: tokenises text as the engine does, with its hash', async () => {
    const { client } = await gateway([await engine()]);
    const { tokenIds, tokenizerHash } = await client.tokenize({ text: '<result> Ostwick Marrow</result>\n' });
    expect(tokenIds.length).toBeGreaterThan(3);
    expect(tokenizerHash).toBe((await client.describe({})).tokenizerHash);
    expect((await client.tokenize({ text: '' })).tokenIds).toEqual([]);
  });
});
