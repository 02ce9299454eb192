import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { digestOf, type ArtefactKind } from '#artefacts/artefact.ts';
import { locationOf } from '#artefacts/location.ts';
import { openStore } from '#artefacts/open-store.ts';
import { putArtefact } from '#artefacts/put-artefact.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import type { Holding } from '#recipe/stored-inputs.ts';
import { fetchStored, storedDirectory } from './fetch-stored.ts';

const { signal } = new AbortController();
const row = '{"id": "a"}\n';

/** A store with one artefact of these files, and a home without anything. */
async function stored(files: Readonly<Record<string, string>>, kind: ArtefactKind) {
  const root = await temporaryDirectory('gradus-stored-');
  const source = join(root, 'source');
  await mkdir(source);
  for (const [name, text] of Object.entries(files)) await writeFile(join(source, name), text);
  const store = join(root, 'store');
  const put = async (as: ArtefactKind) => await putArtefact(await openStore(store), source, { kind: as, signal });
  const { digest } = await put(kind);
  const location = locationOf(digest);
  const said: string[] = [];
  const home = join(root, 'home');
  const ask = async (given: string | undefined, holds: Holding = 'rows') => {
    const options = { store: given, home, signal, report: (line: string) => void said.push(line) };
    const { fetched, problems } = await fetchStored([{ field: 'data.rows.train', location, holds }], options);
    return { path: fetched.get(location), problems };
  };
  const options = { store, home, signal, report: () => undefined };
  return { ask, put, store, digest, location, said, options, place: join(storedDirectory(home), digest) };
}

test('an artefact becomes a file of the home with its own name, and is there for a command without a store', async () => {
  const { ask, store, place, said } = await stored({ 'rows.csv': 'question,answer\n' }, 'data');
  const path = join(place, 'rows.csv');
  expect(await ask(store)).toEqual({ path, problems: [] });
  expect(await readFile(path, 'utf8')).toBe('question,answer\n');
  expect(said).toEqual([`fetching data.rows.train, 1 MiB, from ${store} into ${place}`]);
  expect(await ask(undefined)).toEqual({ path, problems: [] });
  expect(await ask('/nowhere')).toEqual({ path, problems: [] });
  expect(said).toHaveLength(1);
});

test('P9: an artefact that the store lacks, or that no store is named for, is refused with its field and what to do', async () => {
  const { ask, store, location } = await stored({ 'rows.jsonl': row }, 'data');
  const { problems } = await ask(undefined);
  expect(problems).toEqual([
    expect.stringMatching(
      /^data\.rows\.train: artefact:[0-9a-f]{64}: is not in .*; name the store that holds it with --store \(or GRADUS_STORE\)$/,
    ),
  ]);
  const other = `${store}-other`;
  expect((await ask(other)).problems).toEqual([
    `data.rows.train: ${location}: ${other} does not hold it; put it there, or name another store`,
  ]);
});

test('P9: a file of the home that was changed is refused without a store, and fetched again with one', async () => {
  const { ask, store, place } = await stored({ 'rows.jsonl': row }, 'data');
  await ask(store);
  const path = join(place, 'rows.jsonl');
  // The file may be the store's own, by a hard link.
  await rm(path);
  await writeFile(path, '{"id": "b"}\n');
  const refused = await ask(undefined);
  expect(refused.path).toBeUndefined();
  expect(refused.problems).toEqual([expect.stringMatching(/is damaged in .* \(rows\.jsonl\); name the store/)]);
  expect(await ask(store)).toEqual({ path, problems: [] });
  expect(await readFile(path, 'utf8')).toBe(row);
});

test('P9: what a store gives is compared with the digest, and is not left in the home where it differs', async () => {
  const { ask, store, place } = await stored({ 'rows.jsonl': row }, 'data');
  const blob = join(store, 'blobs', digestOf(Buffer.from(row)));
  await writeFile(blob, '{"id": "b"}\n');
  const { path, problems } = await ask(store);
  expect(path).toBeUndefined();
  expect(problems).toEqual([
    expect.stringMatching(
      /is damaged in .*store \(rows\.jsonl in blobs\/[0-9a-f]{64}\); remove that there, and put it again/,
    ),
  ]);
  expect(await readdir(join(place, '..'))).not.toContain(place.slice(-64));
  await rename(blob, `${blob}.gone`);
  expect((await ask(store)).problems).toEqual([
    expect.stringMatching(/lost a part of it; put the artefact there again/),
  ]);
});

test('P9: an artefact of another kind, or of several files, is refused with how to put it', async () => {
  const wrong = await stored({ 'corpus.jsonl': row }, 'corpus');
  const { problems } = await wrong.ask(wrong.store);
  expect(problems).toEqual([
    expect.stringMatching(
      /: is of kind corpus, and rows are of data, file, input; name another, or put it again with --kind data$/,
    ),
  ]);
  expect((await wrong.ask(wrong.store, 'corpus')).problems).toEqual([]);
  // It lies in the home now; its kind is still looked at, and read anew once it was put as another.
  expect((await wrong.ask(undefined)).problems).toEqual([expect.stringContaining('is of kind corpus')]);
  await wrong.put('data');
  expect((await wrong.ask(wrong.store)).problems).toEqual([]);

  const several = await stored({ 'a.jsonl': row, 'b.jsonl': row }, 'data');
  expect((await several.ask(several.store)).problems).toEqual([
    expect.stringMatching(/: holds 2 files \(a\.jsonl, b\.jsonl\), and rows are one; put that file alone$/),
  ]);
  expect((await several.ask(several.store, 'weights')).problems).toEqual([expect.stringContaining('is of kind data')]);
});

test('P9: an artefact that two fields take for different things is refused by one, and is fetched for none', async () => {
  const { location, options } = await stored({ 'config.json': '{}' }, 'model');
  const input = { location, holds: 'weights' as const, field: 'model.path' };
  const both = [input, { ...input, holds: 'rows' as const, field: 'stages[0].rows.path' }];
  const { fetched, problems } = await fetchStored(both, options);
  expect(problems).toEqual([expect.stringMatching(/^stages\[0\]\.rows\.path: artefact:.*is of kind model/)]);
  expect(fetched.size).toBe(0);
  expect((await fetchStored([input], options)).fetched.size).toBe(1);
});

test('weights are the folder of a model, or the one file of weights that was put alone', async () => {
  const model = await stored({ 'config.json': '{}', 'model.safetensors': 'w' }, 'model');
  expect(await model.ask(model.store, 'weights')).toEqual({ path: model.place, problems: [] });
  const alone = await stored({ 'soup.safetensors': 'w' }, 'file');
  expect((await alone.ask(alone.store, 'weights')).path).toBe(join(alone.place, 'soup.safetensors'));
});
