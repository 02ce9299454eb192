import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { publish } from '#artefacts/artefact-files.ts';
import { digestIn } from '#artefacts/location.ts';
import { eventually, scriptedServer, sidecar, stopAll } from '#engine-sidecar/sidecar-under-test.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { serveArtefacts } from './serve.ts';

afterEach(stopAll);

test('P10: a sidecar fetches versions from the store, keeps two of them, and starts its server again with the one that served', async () => {
  const { root, address, client: store } = await serveArtefacts(await temporaryDirectory());
  const { signal } = new AbortController();
  const version = async (name: string): Promise<string> => {
    const directory = join(root, name);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'model.safetensors'), name);
    return await publish(store, directory, { kind: 'version', runId: 'r', isFinal: true, signal });
  };
  await version('model');
  const artefactDirectory = join(root, 'engine');
  const locations = [await version('1'), await version('2'), await version('3')];
  const places = locations.map((location) => join(artefactDirectory, digestIn(location) ?? ''));
  // Each version has scores of its own.
  const server = scriptedServer({ scoreOf: (directory) => -2 - places.indexOf(directory) });
  const { client } = await sidecar(server, { model: join(root, 'model'), artefacts: address, artefactDirectory });
  for (const [index, weightsPath] of locations.entries())
    await client.loadVersion({ version: BigInt(index + 1), weightsPath });
  expect(server.loads.map(({ directory }) => directory)).toEqual(places);
  // What others read is where they find it, too.
  expect(await client.describe({})).toMatchObject({ version: 3n, weightsPath: locations[2] });
  expect(new Set(await readdir(artefactDirectory))).toEqual(new Set(locations.slice(1).map(digestIn)));
  server.starts[0]?.end('it was ended by SIGKILL');
  await eventually(() => expect(server.starts).toHaveLength(2));
  expect(server.starts[1]?.directory).toBe(places[2]);

  await expect(client.loadVersion({ version: 4n, weightsPath: `artefact:${'a'.repeat(64)}` })).rejects.toThrow(
    'does not hold it',
  );
});
