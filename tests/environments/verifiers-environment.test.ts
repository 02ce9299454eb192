import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openPython } from '#environments/python/index.ts';
import { pythonOptions } from '#environments/python/options.ts';
import { findContainment } from '#user-code/containment.ts';
import { silentLog } from '../platform/fixtures.ts';

const python = join(import.meta.dirname, '../../.build/verifiers/bin/python');
const installed = existsSync(python);
if (!installed) console.warn('skipped: environments of verifiers; `make verifiers` installs it into .build/verifiers');

const io = { signal: new AbortController().signal, seed: 7n, toolTimeoutMs: 120_000 };
const turn = (text: string) => ({ index: 0, text });

async function open(options: object = {}) {
  const path = join(import.meta.dirname, '../fixtures/verifiers/guess.py');
  const limits = { timeout_ms: 120_000, start_timeout_ms: 240_000, memory_mebibytes: 4096 };
  const environment = await openPython(
    pythonOptions.parse({ path, load_environment: true, python, options, ...limits }),
    {
      log: silentLog,
      guardian: { watch() {}, forget() {}, release() {} },
      containment: await findContainment(),
      variables: process.env,
    },
  );
  onTestFinished(async () => await environment.close?.());
  return environment;
}

describe.skipIf(!installed)('an environment of verifiers', () => {
  test('plays episodes side by side by its own rules, and its rubric scores them', async () => {
    const environment = await open();
    const [five, own] = await Promise.all([
      environment.start({ id: 'a', data: { index: 0 }, tags: {} }, io),
      environment.start({ id: 'b', data: { question: 'Up to 20?', answer: '17' }, tags: {} }, io),
    ]);
    const asked = (question: string) => ({
      messages: [
        { role: 'system', content: [{ text: 'Answer with a number.' }] },
        { role: 'user', content: [{ text: question }] },
      ],
    });
    expect([five.prompt(), own.prompt()]).toEqual([asked('A number up to 9?'), asked('Up to 20?')]);
    expect(await five.step(turn('8'), io)).toMatchObject({
      messages: [{ role: 'user', content: [{ text: 'less' }] }],
    });
    expect(await own.step(turn('8'), io)).toMatchObject({ messages: [{ role: 'user', content: [{ text: 'more' }] }] });
    expect(await five.step(turn('5'), io)).toMatchObject({
      kind: 'done',
      rewards: { environment_reward: 0.5 },
      metrics: { sooner: 0.5, num_turns: 2 },
    });
    await own.close?.();
    await five.close?.();
  });

  test('ends by its own limit of turns, and shows an exception of its own code', async () => {
    const environment = await open({ most_turns: 1 });
    const episode = await environment.start({ id: 'a', data: { index: 1 }, tags: {} }, io);
    expect(await episode.step(turn('8'), io)).toMatchObject({ kind: 'done', rewards: { environment_reward: 0 } });
    const thrower = await (await open()).start({ id: 'a', data: { index: 1 }, tags: {} }, io);
    await expect(Promise.resolve(thrower.step(turn('no number'), io))).rejects.toMatchObject({
      name: 'UserCodeError',
      message: expect.stringMatching(/ValueError: invalid literal for int\(\).*guess\.py:\d+/s),
    });
  });
});
