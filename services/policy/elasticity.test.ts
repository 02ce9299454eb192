import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EngineState } from '#proto/policy/v1/policy_pb.ts';
import { TransientError } from '#platform/errors.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { lastingAddress } from '../../tests/fixtures/lasting-port.ts';
import { engine, eventually, gateway, heldScript, stopAll, turnOf } from './gateway-under-test.ts';

afterEach(stopAll);

const trained = { version: 7n, weightsPath: '/w/7' };

describe('engines that come and go', () => {
  it('keeps a turn whose only engine died until that is back', async () => {
    const dying = await engine({ address: await lastingAddress(), script: heldScript('x').script });
    const { client } = await gateway([dying]);
    const answer = client.generate(turnOf('s'));
    await eventually(() => expect(dying.generated).toHaveLength(1));
    await dying.kill();
    const again = await engine({ address: dying.address });
    expect((await answer).text).toBe('<answer> 0 </answer>');
    expect(again.generated[0]?.request.tokenIds).toEqual(dying.generated[0]?.request.tokenIds);
  });

  it('P5: an engine that was restarted between two turns serves nothing before it has the version', async () => {
    const first = await engine({ address: await lastingAddress() });
    const { client } = await gateway([first], { probeIntervalMs: 60_000 });
    await client.loadVersion(trained);
    await client.generate(turnOf('s'));
    await first.kill();
    const again = await engine({ address: first.address });
    expect((await client.generate(turnOf('s', 1))).versions).toMatchObject({ first: 7n, last: 7n });
    expect(again.counts().version).toBe(7n);
  });

  it('P5: a gateway that was restarted learns the version from its engines and brings the others up to it', async () => {
    const fresh = await engine();
    const ahead = await engine({ serving: trained });
    const { client } = await gateway([fresh, ahead]);
    const answers = await Promise.all(Array.from({ length: 6 }, (_, i) => client.generate(turnOf(`s${i}`))));
    expect(answers.map(({ versions }) => versions?.first)).toEqual(Array(6).fill(7n));
    expect(await client.describe({})).toMatchObject(trained);
    await eventually(() => expect(fresh.counts().version).toBe(7n));
  });

  it('P5: fails a request that needs newer weights than any engine has, when nobody brings them in time', async () => {
    const { client } = await gateway([await engine()], { maxOutageMs: 200 });
    await expect(client.generate(turnOf('s', 0, { minVersion: 7n }))).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/serve version 0 .* needs version 7/),
    });
  });

  it('P5: serves it once the version is loaded', async () => {
    const { client } = await gateway([await engine()]);
    const waiting = client.generate(turnOf('s', 0, { minVersion: 7n }));
    await client.loadVersion(trained);
    expect((await waiting).versions?.first).toBe(7n);
  });

  it('goes from no engine to one and back: requests wait, and the engine that joins has the version first', async () => {
    const ahead = await engine({ serving: trained });
    const { client } = await gateway([ahead], { maxOutageMs: 30_000 });
    expect(await client.removeEngine({ address: ahead.address, drainMs: 1_000 })).toMatchObject({
      moved: 0,
      engines: 0,
    });
    const waiting = client.generate(turnOf('s'));
    expect(await client.describe({})).toMatchObject({ engines: 0, version: 7n });
    const joining = await engine();
    expect(await client.addEngine({ address: joining.address })).toMatchObject({ engines: 1 });
    expect((await waiting).versions).toMatchObject({ first: 7n, last: 7n });
    expect(await client.addEngine({ address: joining.address })).toMatchObject({ engines: 1 });
  });

  it('lets an engine that is removed finish, and sends it nothing new', async () => {
    const { script, letGo } = heldScript('slow');
    const leaving = await engine({ script });
    const staying = await engine();
    const { client } = await gateway([leaving, staying]);
    const running = client.generate(turnOf('s'));
    await eventually(() => expect(leaving.counts().running).toBe(1));
    const removed = client.removeEngine({ address: leaving.address, drainMs: 10_000 });
    await eventually(async () =>
      expect((await client.describe({})).engineList).toMatchObject([
        { address: leaving.address, state: EngineState.DRAINING, inFlight: 1 },
        { address: staying.address, state: EngineState.UP },
      ]),
    );
    expect((await client.generate(turnOf('s', 1))).text).toBe('<answer> 1 </answer>');
    letGo();
    expect((await running).text).toBe('slow');
    expect(await removed).toMatchObject({ moved: 0, engines: 1 });
    expect(leaving.generated).toHaveLength(1);
  });

  it('P1: moves what an engine that is removed did not finish in time', async () => {
    const leaving = await engine({ script: () => ({ text: 'x', delayMs: 60_000 }) });
    const { client } = await gateway([leaving]);
    const running = client.generate(turnOf('s'));
    await eventually(() => expect(leaving.counts().running).toBe(1));
    const removed = client.removeEngine({ address: leaving.address, drainMs: 100 });
    await client.addEngine({ address: (await engine()).address });
    expect(await removed).toMatchObject({ moved: 1 });
    expect((await running).text).toBe('<answer> 0 </answer>');
    await eventually(() => expect(leaving.counts()).toMatchObject({ running: 0, cancelled: 1 }));
  });

  it('keeps an engine that is added again while it drains', async () => {
    const { script, letGo } = heldScript('x');
    const staying = await engine({ script });
    const { client } = await gateway([staying]);
    const running = client.generate(turnOf('s'));
    await eventually(() => expect(staying.counts().running).toBe(1));
    const removed = client.removeEngine({ address: staying.address, drainMs: 10_000 });
    await eventually(async () => expect((await client.describe({})).engines).toBe(0));
    await client.addEngine({ address: staying.address });
    letGo();
    expect(await removed).toMatchObject({ moved: 0, engines: 1 });
    expect((await running).text).toBe('x');
    expect((await client.generate(turnOf('s', 1))).text).toBe('x');
  });

  it('P3: does not wait for a frozen engine to load a version, and uses it again once it has', async () => {
    let frozen = false;
    const ice = await engine({
      frozen: () => frozen,
      onLoad: async () => void (await vi.waitUntil(() => !frozen, { timeout: 60_000 })),
    });
    const living = await engine();
    const { client } = await gateway([ice, living], { probeTimeoutMs: 500 });
    frozen = true;
    expect(await client.loadVersion(trained)).toMatchObject({ version: 7n });
    expect(await client.describe({})).toMatchObject({ engines: 1, version: 7n });
    frozen = false;
    await eventually(async () => expect((await client.describe({})).engines).toBe(2));
    expect(ice.counts().version).toBe(7n);
  });

  it('does not take an engine for dead that answers late, when it has been slow before', async () => {
    let late = 0;
    const { script, letGo } = heldScript('x');
    const busy = await engine({ describeDelayMs: () => late, script });
    const { client, metrics } = await gateway([busy], { probeTimeoutMs: 500 });
    late = 300;
    await eventually(() => expect(busy.counts().described).toBeGreaterThan(3));
    late = 800;
    const { described } = busy.counts();
    const answer = client.generate(turnOf('s'));
    await eventually(() => expect(busy.counts().described).toBeGreaterThan(described + 1));
    letGo();
    expect((await answer).text).toBe('x');
    expect(busy.generated).toHaveLength(1);
    expect(await metrics.render()).toMatch(/gradus_policy_requests_moved_total 0/);
  });

  it('keeps the old version when no engine can read the new one', async () => {
    const { client } = await gateway([
      await engine({
        serving: trained,
        onLoad: () => {
          throw new TransientError('unavailable', 'disk is unavailable');
        },
      }),
    ]);
    await expect(client.loadVersion({ version: 8n, weightsPath: '/w/8' })).rejects.toThrow(/disk is unavailable/);
    expect((await client.generate(turnOf('s'))).versions?.last).toBe(7n);
  });

  it.each(['', 'nowhere', 'dns:///engines:1', 'a b:1', `${'a'.repeat(1e6)}:1`])(
    'refuses to add an engine at %.40j',
    async (address) => {
      const { client } = await gateway([]);
      await expect(client.addEngine({ address })).rejects.toThrow(/AddEngine: address is .* it must be host:port/);
    },
  );

  it.each(['169.254.169.254:80', '10.0.0.7:4000', 'localhost.example:80', '127.0.0.1.example:80', '[::]:80'])(
    'refuses an engine of another machine: %s',
    async (address) => {
      const { client } = await gateway([]);
      await expect(client.addEngine({ address })).rejects.toMatchObject({
        code: 'permission_denied',
        message: expect.stringContaining(`address is '${address}', another machine`),
      });
    },
  );

  it('takes engines of other machines where it may', async () => {
    const { client } = await gateway([], { insecureRemote: true });
    // A name that no resolver knows, by RFC 2606.
    expect(await client.addEngine({ address: 'engine.invalid:80' })).toMatchObject({ engines: 1 });
  });

  it('a gateway that is started again still has the engine that was added, and not one that was removed', async () => {
    const enginesFolder = `${await temporaryDirectory('gradus-added-')}/engines`;
    const kept = await engine();
    const removed = await engine();
    const before = await gateway([], { enginesFolder });
    await before.client.addEngine({ address: kept.address });
    await before.client.addEngine({ address: removed.address });
    await before.client.removeEngine({ address: removed.address, drainMs: 1_000 });
    await before.stop();
    const { client } = await gateway([], { enginesFolder });
    expect((await client.generate(turnOf('s'))).text).toBe('<answer> 0 </answer>');
    expect((await client.describe({})).engineList.map(({ address }) => address)).toEqual([kept.address]);
  });

  it('two gateways with one folder agree on engines that are added to and removed from one of them', async () => {
    const enginesFolder = await temporaryDirectory('gradus-added-');
    const shared = await engine();
    const one = await gateway([], { enginesFolder, resolveIntervalMs: 100 });
    const other = await gateway([], { enginesFolder, resolveIntervalMs: 100 });
    await one.client.addEngine({ address: shared.address });
    await eventually(async () =>
      expect((await other.client.describe({})).engineList).toMatchObject([
        { address: shared.address, state: EngineState.UP },
      ]),
    );
    await other.client.removeEngine({ address: shared.address, drainMs: 1_000 });
    await eventually(async () => expect((await one.client.describe({ beforeEngines: true })).engineList).toEqual([]));
  });

  it.each(['10.0.0.7:4000', 'nowhere'])('does not start with %s in the folder of added engines', async (name) => {
    const enginesFolder = await temporaryDirectory('gradus-added-');
    await writeFile(join(enginesFolder, name), '');
    await expect(gateway([], { enginesFolder })).rejects.toThrow(
      new RegExp(`enginesFolder: ${enginesFolder} .*'${name}' \\(.*delete these files`),
    );
  });

  it('an engine whose version is out of reach is not used, and makes no version wanted that no other can serve', async () => {
    const wild = await engine({ serving: { version: 2n ** 53n - 1n, weightsPath: '/w' } });
    const { client } = await gateway([await engine()]);
    await client.addEngine({ address: wild.address });
    const statusOf = async () => (await client.describe({})).engineList.find(({ address }) => address === wild.address);
    await eventually(async () =>
      expect(await statusOf()).toMatchObject({
        state: EngineState.DOWN,
        problem: expect.stringContaining('serves version 9007199254740991, out of reach of 0, which is wanted'),
      }),
    );
    await client.loadVersion(trained);
    expect((await client.generate(turnOf('s'))).versions).toMatchObject({ first: 7n, last: 7n });
    expect(wild.generated).toEqual([]);
  });

  it('P6: takes a bounded number of engines', async () => {
    const { client } = await gateway([], { maxEngines: 1 });
    await client.addEngine({ address: '127.0.0.1:1' });
    await expect(client.addEngine({ address: '127.0.0.1:2' })).rejects.toThrow(/1 engines are known already/);
  });
});
