import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '#platform/runtime/config.ts';
import { rewardConfig } from '../config.ts';
import { readApiKey } from '#endpoint/api-key.ts';
import { parseRetryAfter } from '#platform/http/post-json.ts';

const directory = mkdtempSync(join(tmpdir(), 'gradus-judge-'));
afterAll(() => rmSync(directory, { recursive: true }));

const sound = { baseUrl: 'http://127.0.0.1:1/v1', model: 'm' };

function load(judges: unknown) {
  return loadConfig(rewardConfig, { env: { GRADUS_JUDGES: JSON.stringify(judges) } });
}

test('a judge needs an address and a model, the rest has defaults', () => {
  expect(load({ main: sound }).judges['main']).toMatchObject({ temperature: 0, concurrency: 64, retryRatio: 0.25 });
  expect(loadConfig(rewardConfig, {}).judges).toEqual({});
});

test.each([
  [{ main: { model: 'm' } }, /judges\.main\.baseUrl: missing/],
  [{ main: { ...sound, baseUrl: 'there' } }, /judges\.main\.baseUrl: must be a URL.*got 'there'/],
  [{ main: { ...sound, baseUrl: 'http://me:secret@there/v1' } }, /judges\.main\.baseUrl: must not hold a password/],
  [{ main: { ...sound, concurrency: 0 } }, /judges\.main\.concurrency: .*got 0/],
  [{ main: { ...sound, apiKey: 'sesame' } }, /judges\.main\.apiKey: unknown key/],
  [
    { main: { ...sound, requestTimeoutMs: 200_000 } },
    /requestTimeoutMs: must not be more than itemTimeoutMs \(120000\)/,
  ],
  [{ main: { ...sound, itemTimeoutMs: 700_000 } }, /itemTimeoutMs: must not be more than groupTimeoutMs \(600000\)/],
  [{ main: { ...sound, apiKeyEnv: 'K', apiKeyFile: 'f' } }, /apiKeyFile: give apiKeyEnv or apiKeyFile, not both/],
  [{ main: { ...sound, apiKeyEnv: 'sk-12' } }, /apiKeyEnv: must be the name of a variable, not the key itself/],
  [
    { main: { ...sound, concurrency: 1, queue: 1, groupConcurrency: 3 } },
    /groupConcurrency: must not be more than concurrency \+ queue \(2\)/,
  ],
  [{ Main: sound }, /judges\.Main: a name is lower case, digits, - and _/],
])('P3: settings %j are refused', (judges, message) => {
  expect(() => load(judges)).toThrow(message);
});

test('the key comes from the environment or a file, without the line break', () => {
  const file = join(directory, 'key');
  writeFileSync(file, 'sesame\n');
  expect(readApiKey('main', { apiKeyFile: file }, {})).toBe('sesame');
  expect(readApiKey('main', { apiKeyEnv: 'KEY' }, { KEY: 'sesame' })).toBe('sesame');
  expect(readApiKey('main', {}, {})).toBeUndefined();
});

test.each([
  [{ apiKeyEnv: 'KEY' }, {}, /judges\.main\.apiKeyEnv: variable KEY is empty or not set; set it/],
  [{ apiKeyEnv: 'KEY' }, { KEY: ' ' }, /variable KEY is empty or not set/],
  [{ apiKeyEnv: 'KEY' }, { KEY: 'two words' }, /more than one word/],
  [
    { apiKeyFile: join(directory, 'none') },
    {},
    /judges\.main\.apiKeyFile: file '.*none' cannot be read; check its path/,
  ],
])('a key that cannot be had (%j) is an error at the start that does not show it', (settings, environment, message) => {
  expect(() => readApiKey('main', settings, environment)).toThrow(message);
  expect(() => readApiKey('main', settings, environment)).not.toThrow(/two words/);
});

test.each([
  ['2', 2000],
  ['0.5', 500],
  ['0', 0],
  ['Thu, 01 Jan 1970 00:00:05 GMT', 4000],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['-1', undefined],
  ['soon', undefined],
  ['', undefined],
  [null, undefined],
])('Retry-After %j is %s ms', (value, expected) => {
  expect(parseRetryAfter(value, 1000)).toBe(expected);
});
