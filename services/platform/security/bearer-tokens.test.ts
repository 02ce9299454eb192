import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../files/directory-under-test.ts';
import { writeAtomically } from '../files/write-atomically.ts';
import { createLogger } from '../telemetry/logging.ts';
import { digestOf, openBearerTokens, tokenLine } from './bearer-tokens.ts';

const line = (name: string, expiresMs = Date.now() + 3_600_000): string =>
  tokenLine({ role: 'metrics', digest: digestOf(`token of ${name}`), expiresMs, name });

async function opened(text: string) {
  const path = join(await temporaryDirectory(), 'tokens');
  await writeFile(path, text);
  const over = new AbortController();
  onTestFinished(() => over.abort());
  const log = createLogger({ service: 'test', level: 'silent' });
  const tokens = await openBearerTokens(path, { log, signal: over.signal, lookEveryMs: 20 });
  return { path, has: (name: string) => tokens.find(`token of ${name}`)?.role === 'metrics' };
}

test('a token is known by its hash until it is over', async () => {
  const { has } = await opened(`# comment\n${line('ann')}${line('old', Date.now() - 1)}`);
  expect(['ann', 'old', 'eve'].map(has)).toEqual([true, false, false]);
});

test('a token that is taken out is refused, also where another line is wrong, and the others hold', async () => {
  const { path, has } = await opened(line('ann') + line('bob'));
  await writeAtomically(path, `${line('ann')}metrics abc tomorrow\n`);
  await expect.poll(() => has('bob'), { timeout: 60_000 }).toBe(false);
  expect(has('ann')).toBe(true);
});

test('every line of a first file that is wrong is named by its number, and never quoted', async () => {
  const secret = 'metrics gradus_secret 2027-01-01T00:00:00Z ann\n';
  await expect(opened(`${line('ann')}${secret}${line('bob').trimEnd()} \nnobody\n`)).rejects.toThrow(
    /line 2 is not '<role> .*; line 4 is not '<role> /,
  );
  await expect(opened(secret)).rejects.not.toThrow('gradus_secret');
});
