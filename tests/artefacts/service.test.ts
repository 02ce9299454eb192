import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createArtefactReader, publish } from '#artefacts/artefact-files.ts';
import { digestIn, locationOf, placeIn } from '#artefacts/location.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { serveArtefacts } from './serve.ts';

const { signal } = new AbortController();
const digest = 'a'.repeat(64);

async function version(root: string, name: string): Promise<string> {
  const directory = join(root, name);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'model.safetensors'), name);
  return directory;
}

test('a location is an absolute path, or an artefact by its digest', () => {
  expect(digestIn('/a/b')).toBeUndefined();
  expect(digestIn(locationOf(digest))).toBe(digest);
  expect(placeIn('/cache', locationOf(digest))).toBe(`/cache/${digest}`);
  expect(placeIn('/cache', '/a')).toBe('/a');
  expect(() => digestIn('a/b')).toThrow("location is 'a/b'; it must be an absolute path or artefact:DIGEST");
  expect(() => digestIn('artefact:../../etc')).toThrow("digest is '../../etc'");
});

test('what one machine puts another one fetches, and what a run is past is removed of that run alone', async () => {
  const store = await temporaryDirectory();
  const [one, other] = [await serveArtefacts(store), await serveArtefacts(store)];
  const of = (runId: string) => ({ kind: 'version', runId, isFinal: true, signal }) as const;
  const [old, now] = [await version(one.root, 'old'), await version(one.root, 'now')];
  const places = [await publish(one.client, old, of('a')), await publish(one.client, now, of('a'))];
  const others = await publish(one.client, await version(one.root, 'others'), of('b'));
  expect(places[0]).toMatch(/^artefact:[0-9a-f]{64}$/);
  expect(await publish(one.client, others, of('a'))).toBe(others);

  const cache = join(other.root, 'cache');
  const reader = createArtefactReader(other.client, cache);
  const fetched = await reader.fetch(places[0] ?? '', signal);
  expect(await readFile(join(fetched, 'model.safetensors'), 'utf8')).toBe('old');
  expect(fetched).toBe(reader.placeOf(places[0] ?? ''));
  await reader.fetch(places[1] ?? '', signal);
  await reader.keepOnly([places[1] ?? '']);
  expect(await readdir(cache)).toEqual([digestIn(places[1] ?? '')]);

  const keep = [digestIn(places[1] ?? '') ?? ''];
  expect(await one.client.retain({ runId: 'a', keep, minAgeMs: 600_000n })).toMatchObject({ removedArtefacts: 0 });
  await new Promise((done) => setTimeout(done, 5));
  expect(await one.client.retain({ runId: 'a', keep, minAgeMs: 1n })).toMatchObject({
    removedArtefacts: 1,
    removedBytes: 3n,
  });
  await reader.keepOnly([]);
  await expect(reader.fetch(places[0] ?? '', signal)).rejects.toThrow('does not hold it');
  for (const kept of [places[1] ?? '', others]) await reader.fetch(kept, signal);
  expect(await other.metrics.render()).toContain('gradus_artefacts_moved_bytes_total{direction="fetch"} 15');
});

test('what a service is told to fetch is there before it serves; what the store has not ends it', async () => {
  const store = await temporaryDirectory();
  const one = await serveArtefacts(store);
  const of = { kind: 'model', runId: '', isFinal: true, signal } as const;
  const location = await publish(one.client, await version(one.root, 'model'), of);
  const other = await serveArtefacts(store, (root) => [`${join(root, 'policy')}=${location}`]);
  expect(await readFile(join(other.root, 'policy', 'model.safetensors'), 'utf8')).toBe('model');
  const at = (root: string) => [`${join(root, 'policy')}=${locationOf(digest)}`];
  await expect(serveArtefacts(store, at)).rejects.toThrow(`artefact ${digest}: ${store} does not hold it`);
  await expect(serveArtefacts(store, () => [`/elsewhere=${location}`])).rejects.toThrow(
    "fetch is '/elsewhere', which lies outside of",
  );
  for (const entry of ['policy', `policy=${location}`, '/policy=artefact:x', `=${location}`])
    await expect(serveArtefacts(store, () => [entry])).rejects.toThrow('fetch');
});

test('paths beyond the roots, kinds that are none and runs without a name are refused', async () => {
  const { root, client } = await serveArtefacts(await temporaryDirectory());
  const elsewhere = await temporaryDirectory();
  await expect(client.put({ path: elsewhere, kind: 'file' })).rejects.toThrow('which lies outside of');
  await expect(client.fetch({ digest, directory: join(elsewhere, 'x') })).rejects.toThrow('which lies outside of');
  await expect(client.fetch({ digest: 'x', directory: join(root, 'x') })).rejects.toThrow("digest is 'x'");
  await expect(client.put({ path: root, kind: 'weights' })).rejects.toThrow(
    "kind is 'weights'; it must be one of version, checkpoint",
  );
  await expect(client.retain({})).rejects.toThrow('run_id is empty');
});

test('a service without a store refuses what lies in one, and says what to give', async () => {
  const reader = createArtefactReader(undefined, undefined);
  expect(await reader.fetch('/a', signal)).toBe('/a');
  await expect(reader.fetch(locationOf(digest), signal)).rejects.toThrow(
    'give it --artefacts and --artefact-directory',
  );
});
