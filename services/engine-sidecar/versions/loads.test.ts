import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { ServerTurn } from '#engines/kit/engine-server.ts';
import { TransientError } from '#platform/errors.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { eventually, scriptedServer, sidecar, stopAll, turnOf } from '../sidecar-under-test.ts';
import { probeName } from './weights-probe.ts';

afterEach(stopAll);

/** A version as the learner writes it; the scripted server scores every token of it as -2. */
async function version(logprob?: number): Promise<string> {
  const directory = await temporaryDirectory('version-');
  await writeFile(join(directory, 'model.safetensors'), directory);
  if (logprob !== undefined)
    await writeFile(join(directory, probeName), JSON.stringify({ tokenIds: [1, 2, 3], logprobs: [logprob, logprob] }));
  return directory;
}

it('a version is loaded in place, named by its digest, and loading it again does nothing', async () => {
  const server = scriptedServer();
  const { client } = await sidecar(server);
  const weightsPath = await version(-2.01);
  expect(await client.loadVersion({ version: 4n, weightsPath })).toMatchObject({ version: 4n, carriedOver: 0 });
  await client.loadVersion({ version: 4n, weightsPath });
  expect(server.loads).toEqual([{ version: 4n, directory: weightsPath }]);
  const described = await client.describe({});
  expect(described).toMatchObject({ version: 4n, weightsPath });
  expect(described.weightsDigest).toMatch(/^[0-9a-f]{64}$/);
  await client.generate(turnOf());
  expect(server.requests[0]?.cacheNamespace).toBe('gradus-4');
});

it.each([
  ['an older version', { version: 3n }, 'version is 3, but version 4 serves already; versions only grow'],
  ['no directory', { weightsPath: '' }, 'weights_path is empty; name the directory that holds model.safetensors'],
  ['a version out of reach', { version: 2n ** 53n }, 'version is 9007199254740992, and 4 serves; give one of at most'],
  ['an older leader', { epoch: 1n }, 'epoch is 1, but a coordinator of epoch 2 leads'],
  ['no leader after one', { epoch: 0n }, 'epoch is 0, but a coordinator of epoch 2 leads'],
  ['other weights than were meant', { weightsDigest: 'a'.repeat(64) }, 'expected weights with digest aaaa'],
  ['a directory outside of roots', { weightsPath: '/' }, "weights_path is '/', which lies outside of"],
])('%s is refused', async (_what, changes, words) => {
  const weightsPath = await version(-2);
  const { client } = await sidecar(scriptedServer(), { server: 'http://127.0.0.1:1', roots: [weightsPath] });
  await client.loadVersion({ version: 4n, weightsPath, epoch: 2n });
  await expect(client.loadVersion({ version: 5n, weightsPath, epoch: 2n, ...changes })).rejects.toThrow(words);
});

it('a request for newer weights than serve is refused until they do', async () => {
  const { client } = await sidecar(scriptedServer());
  await expect(client.generate(turnOf({ minVersion: 4n }))).rejects.toMatchObject({ code: 'unavailable' });
  await client.loadVersion({ version: 4n, weightsPath: await version(-2) });
  expect(await client.generate(turnOf({ minVersion: 4n }))).toMatchObject({ versions: { first: 4n, last: 4n } });
});

it('a turn that runs during a load goes on, and says both versions', async () => {
  const gate = Promise.withResolvers<ServerTurn>();
  const { client } = await sidecar(scriptedServer({ turn: () => gate.promise }));
  const turn = client.generate(turnOf());
  await eventually(async () => expect((await client.describe({})).running).toBe(1));
  const weightsPath = await version(-2);
  expect(await client.loadVersion({ version: 4n, weightsPath })).toMatchObject({ carriedOver: 1 });
  gate.resolve({ tokenIds: [5], logprobs: [-1], finish: 'stop' });
  expect(await turn).toMatchObject({ versions: { first: 0n, last: 4n } });
});

it.each([
  ['changes nothing', undefined, 'to the last bit, those of the weights before'],
  ['is far from what the weights say', -3, '1.000 nats off those of the weights'],
])(
  'P9: a load that %s condemns a server of somebody else, and the turns that ran in it fail',
  async (_what, logprob, words) => {
    const gate = Promise.withResolvers<ServerTurn>();
    const server = scriptedServer({ turn: () => gate.promise });
    const { client, metrics } = await sidecar(server);
    await client.loadVersion({ version: 3n, weightsPath: await version(-2) });
    server.script.obeys = false;
    const turn = client.generate(turnOf());
    await eventually(async () => expect((await client.describe({})).running).toBe(1));
    const failure = client.loadVersion({ version: 4n, weightsPath: await version(logprob) });
    await expect(failure).rejects.toThrow(words);
    await expect(failure).rejects.toMatchObject({ code: 'failed_precondition' });
    gate.resolve({ tokenIds: [5], logprobs: [-1], finish: 'stop' });
    await expect(turn).rejects.toThrow('wrote the turn with weights of no version');
    const described = client.describe({});
    await expect(described).rejects.toThrow('scripted 1.0 is not used');
    // Another engine may do it, and it may be started anew.
    await expect(described).rejects.toMatchObject({ code: 'unavailable' });
    expect(await metrics.render()).toMatch(/^gradus_engine_loads_without_effect_total 1$/m);
  },
);

it('the weights that a server has already are no load without effect', async () => {
  const model = await version();
  const mine = scriptedServer();
  const own = await sidecar(mine, { model });
  const { weightsDigest } = await own.client.describe({});
  await own.client.loadVersion({ version: 0n, weightsPath: model, weightsDigest });
  expect(mine.loads).toEqual([]);
  // Of somebody else's server it is not known what it was started with.
  const other = await sidecar(scriptedServer({ obeys: false }));
  await other.client.loadVersion({ version: 0n, weightsPath: model, weightsDigest });
  expect(await other.client.describe({})).toMatchObject({ version: 0n, weightsDigest });
});

it('P9: a server that was started here and does not compute with what it took is started anew with it, and later ones at once', async () => {
  const server = scriptedServer({ obeys: false });
  const { client, metrics } = await sidecar(server, { model: await version() });
  const [first, second] = [await version(-2), await version(-2)];
  await client.loadVersion({ version: 4n, weightsPath: first });
  await client.loadVersion({ version: 5n, weightsPath: second });
  expect(server.loads).toHaveLength(1);
  expect(server.starts.map(({ directory }) => directory)).toEqual(['', first, second]);
  expect(await client.describe({})).toMatchObject({ version: 5n, weightsPath: second });
  expect(await metrics.render()).toMatch(/^gradus_engine_server_restarts_total\{reason="load"\} 2$/m);
});

it('a server that takes no weights is started anew with each version, or its weights are fixed', async () => {
  const started = scriptedServer({ description: { loadsVersions: false } });
  const mine = await sidecar(started, { model: await version() });
  await mine.client.loadVersion({ version: 4n, weightsPath: await version(-2) });
  expect(started.loads).toEqual([]);
  expect(started.starts).toHaveLength(2);
  const fixed = scriptedServer({ description: { loadsVersions: false, advice: ['Switch loading on.'] } });
  const theirs = await sidecar(fixed);
  expect(await theirs.client.describe({})).toMatchObject({ fixedWeights: true });
  const failure = theirs.client.loadVersion({ version: 4n, weightsPath: await version(-2) });
  await expect(failure).rejects.toThrow('the weights of scripted 1.0 cannot be replaced. Switch loading on.');
});

it('a server that was started here and ended is started again with what it served', async () => {
  const server = scriptedServer();
  const { client, metrics } = await sidecar(server, { model: await version() });
  const weightsPath = await version(-2);
  await client.loadVersion({ version: 4n, weightsPath });
  server.starts[0]?.end('it was ended by SIGKILL');
  await eventually(async () => {
    expect(server.starts).toHaveLength(2);
    expect(await client.describe({})).toMatchObject({ version: 4n, weightsPath });
  });
  expect(server.starts[1]?.directory).toBe(weightsPath);
  expect(await metrics.render()).toMatch(/^gradus_engine_server_restarts_total\{reason="ended"\} 1$/m);
});

const refused = (): never => {
  throw new TransientError('unavailable', 'scripted answered 500: no such tensor', { details: { status: 500 } });
};
const cut = (): never => {
  throw new TransientError('unavailable', 'scripted cannot be reached');
};
const silent = async (): Promise<void> => await new Promise(() => {});

it.each([
  ['answers an error with half of the weights in place', { afterLoad: refused }],
  ['is cut off, though its weights are those of before', { beforeLoad: cut }],
  ['never ends', { beforeLoad: silent }],
])(
  'P3, P9: a load that %s condemns a server of somebody else, whose turns fail; one that was started here is started anew with the version',
  async (_what, changes) => {
    const gate = Promise.withResolvers<ServerTurn>();
    const theirs = scriptedServer({ turn: () => gate.promise, ...changes });
    const { client } = await sidecar(theirs, { server: 'http://127.0.0.1:1', loadTimeoutMs: 200 });
    const turn = client.generate(turnOf());
    const failed = expect(turn).rejects.toThrow('wrote the turn with weights of no version');
    await eventually(async () => expect((await client.describe({})).running).toBe(1));
    const weightsPath = await version(-2);
    await expect(client.loadVersion({ version: 4n, weightsPath })).rejects.toThrow('nobody knows what it has now');
    gate.resolve({ tokenIds: [5], logprobs: [-1], finish: 'stop' });
    await failed;
    await expect(client.describe({})).rejects.toMatchObject({ code: 'unavailable' });
    const mine = scriptedServer(changes);
    const own = await sidecar(mine, { model: await version(), loadTimeoutMs: 200 });
    await own.client.loadVersion({ version: 4n, weightsPath });
    expect(mine.starts.map(({ directory }) => directory)).toEqual(['', weightsPath]);
    expect(await own.client.describe({})).toMatchObject({ version: 4n, weightsPath });
  },
);

it('a load that a server refuses, and after which it scores as before, fails alone: the version before serves on', async () => {
  const server = scriptedServer({ beforeLoad: refused });
  const { client } = await sidecar(server);
  const weightsPath = await version(-2);
  await expect(client.loadVersion({ version: 4n, weightsPath })).rejects.toThrow('no such tensor');
  expect(await client.generate(turnOf())).toMatchObject({ versions: { first: 0n, last: 0n } });
  server.script.beforeLoad = () => {};
  await client.loadVersion({ version: 4n, weightsPath });
  expect(await client.describe({})).toMatchObject({ version: 4n });
});

it('P9: a server that is condemned stays so through an outage, until it names other weights', async () => {
  const server = scriptedServer({ names: 0n });
  const { client } = await sidecar(server, { server: 'http://127.0.0.1:1', statusFailures: 1 });
  server.script.afterLoad = () => (server.script.names = 3n);
  await client.loadVersion({ version: 3n, weightsPath: await version(-2) });
  server.script.obeys = false;
  server.script.afterLoad = () => (server.script.names = 4n);
  await expect(client.loadVersion({ version: 4n, weightsPath: await version(-9) })).rejects.toThrow('nats off');
  const looks = async (count: number): Promise<void> => {
    const from = server.looks();
    await eventually(() => expect(server.looks()).toBeGreaterThan(from + count));
  };
  server.script.isDown = true;
  await looks(3);
  server.script.isDown = false;
  await looks(3);
  await expect(client.describe({})).rejects.toThrow('is not used');
  server.script.names = 0n;
  await eventually(async () => expect(await client.describe({})).toMatchObject({ version: 0n, weightsPath: '' }));
});

it('a server that comes back while a version is loaded serves that version', async () => {
  const server = scriptedServer({ names: 0n });
  const { client } = await sidecar(server, { server: 'http://127.0.0.1:1', statusFailures: 1 });
  const weightsPath = await version(-2);
  // Seen as started anew, and asked what it can do, while the load is asked for.
  server.script.names = 2n;
  const described = server.descriptions();
  await eventually(() => expect(server.descriptions()).toBeGreaterThan(described));
  server.script.afterLoad = () => (server.script.names = 4n);
  await client.loadVersion({ version: 4n, weightsPath });
  const from = server.looks();
  await eventually(() => expect(server.looks()).toBeGreaterThan(from + 3));
  expect(await client.describe({})).toMatchObject({ version: 4n, weightsPath });
});

it('P10: a server that was started here with weights that do not fit is started again with those before, and takes later ones', async () => {
  const server = scriptedServer({ description: { loadsVersions: false } });
  const { client } = await sidecar(server, { model: await version() });
  const failure = client.loadVersion({ version: 4n, weightsPath: await version(-9) });
  await expect(failure).rejects.toThrow('look whether its format of numbers fits');
  await eventually(async () => expect(await client.describe({})).toMatchObject({ version: 0n }));
  const weightsPath = await version(-2);
  await client.loadVersion({ version: 5n, weightsPath });
  expect(await client.describe({})).toMatchObject({ version: 5n, weightsPath });
});

it('a version is loaded into a server that has just ended, and the turns after it are written', async () => {
  const server = scriptedServer();
  const { client } = await sidecar(server, { model: await version() });
  server.starts[0]?.end('it was ended by SIGKILL');
  const weightsPath = await version(-2);
  await client.loadVersion({ version: 4n, weightsPath });
  expect(await client.generate(turnOf())).toMatchObject({ versions: { first: 4n, last: 4n } });
});

it('a turn that is to be scored and ran while weights were given is done again', async () => {
  const gate = Promise.withResolvers<ServerTurn>();
  const { client } = await sidecar(scriptedServer({ turn: () => gate.promise }));
  const turn = client.generate(turnOf({}, { topP: 0.9 }));
  const failed = expect(turn).rejects.toThrow('was given other weights before the turn was scored');
  await eventually(async () => expect((await client.describe({})).running).toBe(1));
  await client.loadVersion({ version: 4n, weightsPath: await version(-2) });
  gate.resolve({ tokenIds: [5], logprobs: [-1], finish: 'stop' });
  await failed;
});
