import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryRoot } from '#platform/repository.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { gradus } from '#cli/program-under-test.ts';
import { startServer } from '../platform/fixtures.ts';

test('what one machine puts into a store by hand another one gets by the name that was printed', async () => {
  const { url } = await startServer();
  const store = ['--store', 'nats:artefacts', '--nats-url', url];
  const source = await temporaryDirectory();
  await writeFile(join(source, 'model.safetensors'), 'weights');
  expect((await gradus('artefact', 'list', ...store)).out).toBe('nats:artefacts holds no artefact\n');
  const put = await gradus('artefact', 'put', source, ...store);
  expect(put.code).toBe(0);
  const [location = '', sizes] = put.out.split('\n');
  expect(location).toMatch(/^artefact:[0-9a-f]{64}$/);
  expect(sizes).toBe('1 MiB, of which 1 MiB were sent to nats:artefacts');
  const again = await gradus('artefact', 'put', source, '--json', ...store);
  expect(JSON.parse(again.out)).toEqual({ digest: location.slice(9), size_bytes: 7, written_bytes: 0 });

  const to = join(await temporaryDirectory(), 'model');
  expect((await gradus('artefact', 'get', location, '--to', to, ...store)).code).toBe(0);
  expect(await readFile(join(to, 'model.safetensors'), 'utf8')).toBe('weights');
  const list: unknown = JSON.parse((await gradus('artefact', 'list', '--json', ...store)).out);
  expect(list).toMatchObject([{ digest: location.slice(9), kind: 'model', run: '', files: 1, size_bytes: 7 }]);
});

test('a dry run reads rows of a bucket of NATS, and says which server does not answer', async () => {
  const { url } = await startServer();
  const directory = await temporaryDirectory();
  const rows = join(directory, 'rows.jsonl');
  await writeFile(rows, '{"question": "1 + 1", "answer": "2"}\n{"question": "1 + 2", "answer": "3"}\n');
  const store = ['--store', 'nats:artefacts', '--nats-url'];
  const put = await gradus('artefact', 'put', rows, '--kind', 'data', ...store, url);
  expect(put.code, put.err).toBe(0);
  const recipe = join(directory, 'recipe.yaml');
  const stages =
    '[{ name: ask, kind: eval, prompts: { of: all }, limits: { context_tokens: 256, max_new_tokens: 32 }, rewards: { exact_match: 1 } }]';
  await writeFile(
    recipe,
    `name: two\nmodel: { path: ${JSON.stringify(join(repositoryRoot, 'policies/nano'))} }\ndata: { rows: { train: '${put.out.split('\n')[0] ?? ''}', held_out: 1 } }\nenvironment: { name: arithmetic, options: { prompt_template: '{question} Answer:' } }\nstages: ${stages}\n`,
  );
  const dry = ['run', recipe, '--dry-run', '--home', join(directory, 'runs'), ...store];
  const away = await gradus(...dry, 'nats://127.0.0.1:1');
  expect(away.code, away.err).toBe(2);
  expect(away.err).toContain('127.0.0.1:1');
  const there = await gradus(...dry, url);
  expect(there.code, there.out + there.err).toBe(0);
  expect(there.out).toContain('data.rows: 1 training questions, 1 held out');
});

test('names and stores that are none are refused before anything is asked', async () => {
  const to = join(await temporaryDirectory(), 'x');
  const named = await gradus('artefact', 'get', 'artefact:x', '--to', to, '--store', '/nowhere');
  expect(named.code).toBe(2);
  expect(named.err).toContain('It must be 64 lower-case hexadecimal digits');
  const unknown = await gradus('artefact', 'get', 'a'.repeat(64), '--to', to, '--store', to);
  expect(unknown.code).toBe(2);
  expect(unknown.err).toContain(`artefact ${'a'.repeat(64)}: ${to} does not hold it`);
  const nowhere = await gradus('artefact', 'list', '--store', 'http://x');
  expect(nowhere.err).toContain("store is 'http://x'; give an absolute path, nats:BUCKET or s3://BUCKET/PREFIX");
});
