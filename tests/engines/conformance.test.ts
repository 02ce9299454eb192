import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FinishReason, LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { type GenerateRequest, type GenerateResponse, OutputFormKind } from '#proto/policy/v1/policy_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { errorFrom } from '#platform/errors.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import { until } from '../until.ts';
import { engines, type StartedEngine } from './engine-under-test.ts';
import { largestDistance, learnerLogprobs, writeVersion } from './learner-under-test.ts';

// What an engine promises by its contract, asked of each kind with policies/nano, one sequence for all of them.
const model = join(repositoryRoot, 'policies/nano');
const context = 1024;
/** Of a log-probability in float32, in nats. */
const tolerance = 1e-4;
/** Only ends a hang: a server may need minutes to start, and is started twice. */
const timeout = 2_400_000;

const tokenizer = await loadTokenizer(join(model, 'tokenizer.json'));
const prompt = tokenizer.encode('Question: Name the headquarters of the sponsor of Lavaeum Clurtower.');

type Asked = Partial<Pick<GenerateRequest, 'tokenIds' | 'contextTokens' | 'minVersion'>> & {
  readonly sampling?: object;
  readonly form?: { readonly kind: OutputFormKind; readonly definition: string };
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

/** As hot as every server allows, so that hardly any turn ends by itself. */
const long = { temperature: 2, maxNewTokens: 800 };

for (const { kind, missing } of engines) if (missing !== undefined) console.warn(`skipped: engine ${kind}; ${missing}`);

describe.each(engines.filter(({ missing }) => missing === undefined))('$kind', { timeout }, ({ start }) => {
  let engine: StartedEngine;
  beforeAll(async () => {
    engine = await start(model, context);
  }, timeout);
  afterAll(() => engine.stop());

  const generate = (id: string, asked?: Asked) => engine.client.generate(ask(id, asked));
  const running = async () => (await engine.client.describe({})).running;
  /** A turn that was asked before is being written once this has come: both are in one batch. */
  const nextTo = (id: string) => generate(`next-to-${id}`, { sampling: { maxNewTokens: 8 } });
  const written = ({ tokenIds }: GenerateResponse, temperature: number, weights = model) => ({
    model: weights,
    tokenIds: [...prompt, ...tokenIds],
    from: prompt.length,
    temperature,
  });

  test('one seed gives one turn, alone and in company, with a digest of the whole sequence', async () => {
    const alone = await generate('a');
    const company = Array.from({ length: 8 }, (_, index) =>
      generate(`other-${index}`, { sampling: { seed: BigInt(index) } }),
    );
    const again = await generate('b');
    await Promise.all(company);
    expect(again.tokenIds).toEqual(alone.tokenIds);
    expect(alone.logprobs).toHaveLength(alone.tokenIds.length);
    expect(largestDistance(again.logprobs, alone.logprobs)).toBeLessThan(tolerance);
    expect(Buffer.from(alone.sequenceDigest)).toEqual(Buffer.from(sequenceDigest([...prompt, ...alone.tokenIds])));
  });

  test("log-probabilities are those of the learner's forward pass, at each temperature", async ({ annotate }) => {
    const temperatures = [1, 0.6, 1.3];
    const asked = temperatures.map((temperature) =>
      generate(`pass-${temperature}`, { sampling: { temperature, maxNewTokens: 200 } }),
    );
    const turns = await Promise.all(asked);
    const passes = turns.map((turn, at) => written(turn, temperatures[at] ?? NaN));
    const expected = await learnerLogprobs(passes);
    const distances = turns.map(({ logprobs }, at) => largestDistance(logprobs, expected[at] ?? []));
    for (const [at, distance] of distances.entries()) {
      await annotate(`temperature ${temperatures[at]}: ${distance.toExponential(1)} nats`);
      expect(distance).toBeLessThan(tolerance);
    }
  });

  test('at temperature 0 the seed does not matter', async () => {
    const [first, second] = await Promise.all(
      [1n, 2n].map((seed) => generate(`greedy-${seed}`, { sampling: { temperature: 0, seed } })),
    );
    expect(first?.tokenIds).toEqual(second?.tokenIds);
  });

  test('a stop string ends a turn also where it begins in the middle of one token and ends in another', async () => {
    const { tokenIds } = await generate('whole', { sampling: { temperature: 0 } });
    const texts = tokenIds.map((id) => tokenizer.decode([id]));
    const stops = texts.map((text, at) => `${text.slice(-1)}${texts[at + 1]?.slice(0, 1) ?? ''}`);
    const untilToken = (at: number): string => tokenizer.decode(tokenIds.slice(0, at + 1));
    const at = stops.findIndex(
      (stop, index) =>
        index > 1 && stop.length === 2 && !untilToken(index).includes(stop) && untilToken(index + 1).includes(stop),
    );
    const stop = stops[at] ?? '';
    expect([texts[at]?.includes(stop), texts[at + 1]?.includes(stop)]).toEqual([false, false]);
    const cut = await generate('cut', { sampling: { temperature: 0, stop: [stop] } });
    expect(cut.finishReason).toBe(FinishReason.STOP);
    expect(cut.text).toContain(stop);
    expect(cut.tokenIds).toEqual(tokenIds.slice(0, at + 2));
  });

  test('a turn ends at its length, and at the context of its request, and says which it was', async () => {
    const short = await generate('short', { sampling: { maxNewTokens: 2 } });
    expect([short.finishReason, short.tokenIds.length]).toEqual([FinishReason.LENGTH, 2]);
    const full = await generate('full', { contextTokens: prompt.length + 3 });
    expect([full.finishReason, full.tokenIds.length]).toEqual([FinishReason.CONTEXT, 3]);
  });

  test('a turn that is aborted ends as aborted, and one that its caller leaves makes room', async () => {
    await until(async () => {
      const asked = generate('aborted', { sampling: long });
      await Promise.race([nextTo('aborted'), asked]);
      const { aborted } = await engine.client.abort({ requestId: 'aborted' });
      const { finishReason } = await asked;
      // It may have been through already.
      expect(finishReason === FinishReason.ABORTED).toBe(aborted);
      return aborted;
    });
    const caller = new AbortController();
    const left = engine.client.generate(ask('left', { sampling: long }), { signal: caller.signal });
    const failure = expect(left).rejects.toMatchObject({ code: 'cancelled' });
    await nextTo('left');
    caller.abort();
    await failure;
    await until(async () => (await running()) === 0);
  });

  test('a turn is held to each form that the engine says it can, and the others are refused', async () => {
    const { forms } = await engine.client.describe({});
    const definitions = new Map([
      [OutputFormKind.JSON_OBJECT, ''],
      [OutputFormKind.JSON_SCHEMA, '{"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}'],
      [OutputFormKind.REGEX, '[ab]{3}'],
      [OutputFormKind.GRAMMAR, 'root ::= "yes" | "no"'],
    ]);
    for (const [kind, definition] of definitions) {
      const turn = generate(`form-${kind}`, { sampling: { maxNewTokens: 200 }, form: { kind, definition } });
      if (forms.includes(kind)) expect((await turn).logprobKind).toBe(LogprobKind.FORMED);
      else
        expect(['unimplemented', 'invalid_argument']).toContain(
          errorFrom(await turn.catch((thrown: unknown) => thrown)).code,
        );
    }
  });

  test('what cannot be is refused by name', async () => {
    await expect(generate('empty', { tokenIds: [] })).rejects.toThrow('token_ids');
    await expect(generate('beyond', { tokenIds: [1, 4_000_000] })).rejects.toThrow('token_ids');
    await expect(generate('nothing', { sampling: { maxNewTokens: 0 } })).rejects.toThrow('max_new_tokens');
    expect(await engine.client.abort({ requestId: 'never-asked' })).toMatchObject({ aborted: false });
  });

  test('50 turns go on while other weights are loaded, a kill ends them as unavailable, and a new start serves them', async ({
    annotate,
  }) => {
    const weightsPath = join(await temporaryDirectory(), '000001');
    const version = { version: 1n, weightsPath, weightsDigest: await writeVersion(model, weightsPath) };

    const asked = Array.from({ length: 50 }, (_, index) =>
      generate(`load-${index}`, { sampling: { ...long, seed: BigInt(index) } }),
    );
    await nextTo('load');
    const { carriedOver } = await engine.client.loadVersion(version);
    const spans = (await Promise.all(asked)).map(({ versions }) => [versions?.first, versions?.last].join(' to '));
    const counts = Object.groupBy(spans, (span) => span);
    const said = Object.entries(counts).map(([span, of]) => `${span}: ${of?.length}`);
    await annotate(`${carriedOver} turns carried over; ${said.join(', ')}`);
    expect(['0 to 0', '0 to 1', '1 to 1']).toEqual(expect.arrayContaining(Object.keys(counts)));
    expect(counts['0 to 1']?.length).toBeGreaterThan(0);

    const after = await generate('after');
    expect(after.versions).toMatchObject({ first: 1n, last: 1n });
    const [news = [], olds = []] = await learnerLogprobs([written(after, 1, weightsPath), written(after, 1)]);
    await annotate(`afterwards: ${largestDistance(after.logprobs, news).toExponential(1)} nats`);
    expect(largestDistance(after.logprobs, news)).toBeLessThan(tolerance);
    expect(largestDistance(after.logprobs, olds)).toBeGreaterThan(100 * tolerance);
    await expect(generate('newer', { minVersion: 2n })).rejects.toMatchObject({ code: 'unavailable' });

    const killed = generate('killed', { sampling: long });
    const failure = expect(killed).rejects.toMatchObject({ code: 'unavailable' });
    await nextTo('killed');
    const startMs = performance.now();
    const restarted = engine.killAndRestart();
    await failure;
    await restarted;
    // As a gateway does with an engine that is back.
    await untilAvailable(() => engine.client.loadVersion(version));
    const again = await untilAvailable(() => generate('again'));
    await annotate(`back after ${Math.round((performance.now() - startMs) / 1000)} s`);
    expect(again.tokenIds).toEqual(after.tokenIds);
    expect(largestDistance(again.logprobs, after.logprobs)).toBeLessThan(tolerance);
  });
});

/** Whatever is asked of an engine that is gone is unavailable until it is back, and nothing else. */
async function untilAvailable<Answer>(asks: () => Promise<Answer>): Promise<Answer> {
  for (const endMs = performance.now() + timeout / 2; ; await sleep(100)) {
    try {
      return await asks();
    } catch (thrown) {
      if (errorFrom(thrown).code !== 'unavailable' || performance.now() > endMs) throw thrown;
    }
  }
}
