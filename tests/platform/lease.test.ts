import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNats } from '#platform/nats/connect.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { leaseBucket, leaseTtlMs } from '#platform/nats/bucket-settings.ts';
import { acquireLease, readLease } from '#platform/nats/lease.ts';
import type { Lease, LeaseOptions } from '#platform/nats/lease.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import type { NatsServer } from '#platform/nats/nats-server.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';
import { until } from '../until.ts';

const { signal } = new AbortController();
let server: NatsServer;
let nats: Nats;
let directory: string;
let clockMs = 0;
const leases: Lease[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradus-lease-'));
  server = await startNatsServer({ storeDirectory: directory, port: await lastingPort() });
  const log = createLogger({ service: 'test', level: 'silent' });
  nats = await connectNats({ url: server.url, name: 'test', log, signal });
});
afterAll(async () => {
  for (const lease of leases) await lease.release();
  await nats.close();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

const acquire = async (key: string, holder: string, more: Partial<LeaseOptions> = {}) => {
  const now = () => performance.now() + clockMs;
  const given = await acquireLease(nats, { key, holder, address: `${holder}:1`, signal, now, ...more });
  if ('lost' in given) leases.push(given);
  return given;
};
const held = async (key: string, holder: string, more: Partial<LeaseOptions> = {}): Promise<Lease> => {
  const given = await acquire(key, holder, more);
  if (!('lost' in given)) throw new Error(`${given.holder} has it`);
  return given;
};
/** What the server does with a lease that is not renewed. */
const expire = (key: string) => nats.jsm.streams.purge(`KV_${leaseBucket}`, { filter: `$KV.${leaseBucket}.${key}` });
const freeze = async (lease: Lease, act: () => Promise<void>) => {
  await act();
  clockMs += leaseTtlMs;
  return lease.confirm(signal);
};

describe('a lease', () => {
  it('is held by one of many that want it at the same moment', async () => {
    const outcomes = await Promise.all(Array.from({ length: 8 }, (_, index) => acquire('one', `c${index}`)));
    const winners = outcomes.filter((outcome) => 'lost' in outcome);
    expect(winners).toHaveLength(1);
    const seen = await readLease(nats, 'one', signal);
    for (const outcome of outcomes) if (!('lost' in outcome)) expect(outcome.holder).toBe(seen?.holder);
    expect(seen?.address).toBe(`${seen?.holder}:1`);
  });

  it('is kept beyond its time to live while its holder lives, and ends when its holder does not renew it', async () => {
    const stop = new AbortController();
    const own = await connectNats({ url: server.url, name: 'dies', log: nats.log, signal });
    await acquireLease(own, { key: 'two', holder: 'a', address: 'a:1', signal: stop.signal });
    const born = performance.now();
    await until(async () => performance.now() - born > leaseTtlMs * 1.5);
    expect(await acquire('two', 'b')).toMatchObject({ holder: 'a' });
    await own.nc.close();
    await until(async () => (await readLease(nats, 'two', signal)) === undefined);
    await held('two', 'b');
  });

  it('is free at once when it is given up', async () => {
    await (await held('three', 'a')).release();
    expect(await readLease(nats, 'three', signal)).toBeUndefined();
    await held('three', 'b');
  });

  it('goes to a later process of the same holder that asks for it, and the earlier one learns that', async () => {
    const earlier = await held('four', 'a');
    expect(await acquire('four', 'a')).toMatchObject({ holder: 'a' });
    expect(await acquire('four', 'b', { fromEarlierSelf: true })).toMatchObject({ holder: 'a' });
    const later = await held('four', 'a', { fromEarlierSelf: true });
    await until(async () => earlier.lost.aborted);
    await expect(earlier.confirm(signal)).rejects.toThrow('the lease of four was lost to a');
    await earlier.release();
    await later.confirm(signal);
    expect(await readLease(nats, 'four', signal)).toMatchObject({ holder: 'a' });
  });

  it('is found lost by a holder that was frozen, before it acts', async () => {
    const frozen = await held('five', 'a');
    const confirmed = freeze(frozen, async () => {
      // The frozen one's own renewal may be faster by a hair, and has it again.
      await until(async () => {
        await expire('five');
        return 'lost' in (await acquire('five', 'b'));
      });
    });
    await expect(confirmed).rejects.toThrow('the lease of five was lost to b');
    expect(frozen.lost.aborted).toBe(true);
  });

  it('goes on when it had lapsed and nobody took it, also when the whole bucket is gone', async () => {
    let lapses = 0;
    const lease = await held('six', 'a', { onLapsed: async () => void (lapses += 1) });
    await freeze(lease, async () => void (await expire('six')));
    expect(await readLease(nats, 'six', signal)).toMatchObject({ holder: 'a' });
    await freeze(lease, async () => void (await nats.jsm.streams.delete(`KV_${leaseBucket}`)));
    expect(await readLease(nats, 'six', signal)).toMatchObject({ holder: 'a' });
    expect(lapses).toBeGreaterThanOrEqual(1);
    expect(lease.lost.aborted).toBe(false);
  });

  it('is lost when it had lapsed and what it guards was led by somebody else meanwhile', async () => {
    const lease = await held('seven', 'a', { onLapsed: () => Promise.reject(new Error('a newer leader')) });
    await expect(freeze(lease, async () => void (await expire('seven')))).rejects.toThrow('lost to a newer leader');
    expect(await readLease(nats, 'seven', signal)).toBeUndefined();
  });

  it('P3: does not confirm forever while NATS is unavailable', async () => {
    const lease = await held('eight', 'a');
    await server.stop();
    clockMs += leaseTtlMs;
    await expect(lease.confirm(AbortSignal.timeout(300))).rejects.toMatchObject({ code: 'deadline_exceeded' });
    server = await startNatsServer({ storeDirectory: directory, port: server.port });
    await lease.confirm(AbortSignal.timeout(100_000));
    expect(await readLease(nats, 'eight', signal)).toMatchObject({ holder: 'a' });
  });
});
