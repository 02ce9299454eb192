import { AckPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { StreamConfig } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { describe, expect, test, vi } from 'vitest';

import {
  leaseBucket,
  leaseTtlMs,
  openBucket,
  runningBucket,
  redeliveryBucket,
  workersBucket,
} from '#platform/nats/bucket-settings.ts';
import { minimumStoreBytes } from '#platform/nats/store-bounds.ts';
import { ensureStreams, streams, subjects, workerConsumers } from '#platform/nats/streams.ts';
import { connectTo, startServer } from './fixtures.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const MiB = 1024 ** 2;
const subjectsOf = { LEDGER: 'gradus.ledger.>', RESULTS: 'gradus.results.>', TRAJECTORIES: 'gradus.trajectories.>' };

async function startEmpty() {
  return await connectTo((await startServer()).url);
}

async function streamNames(nats: Awaited<ReturnType<typeof startEmpty>>): Promise<string[]> {
  const names: string[] = [];
  for await (const { config } of nats.jsm.streams.list()) names.push(config.name);
  return names.toSorted();
}

describe('streams that exist with other settings', () => {
  const corrected: [keyof typeof subjectsOf, Partial<StreamConfig>, Partial<StreamConfig>][] = [
    ['LEDGER', { max_msgs_per_subject: 5 }, { max_msgs_per_subject: -1 }],
    ['RESULTS', { max_msgs: 20 }, { max_msgs: -1 }],
    ['TRAJECTORIES', { max_msg_size: 500 }, { max_msg_size: -1 }],
    ['RESULTS', { max_age: nanos(3600_000) }, { max_age: 0 }],
    ['RESULTS', { allow_rollup_hdrs: true }, { allow_rollup_hdrs: false }],
    ['TRAJECTORIES', { allow_direct: false }, { allow_direct: true }],
    ['LEDGER', { sources: [{ name: 'OTHER' }] }, {}],
  ];
  test.each(corrected)('P10: %s with %j is corrected', async (name, wrong, right) => {
    const nats = await startEmpty();
    await nats.jsm.streams.add({ name: 'OTHER', subjects: ['other'] });
    await nats.jsm.streams.add({ name, subjects: [subjectsOf[name]], ...wrong });
    await ensureStreams(nats);
    const { config } = await nats.jsm.streams.info(name);
    expect(config).toMatchObject({ ...right, discard: name === 'TRAJECTORIES' ? 'old' : 'new' });
    expect(config.sources ?? []).toEqual([]);
  });

  test('P10: a stream that confirms nothing (no_ack) does again, so that a publish ends', async () => {
    const nats = await startEmpty();
    await nats.jsm.streams.add({ name: 'RESULTS', subjects: ['gradus.results.>'], no_ack: true });
    await ensureStreams(nats);
    expect(await nats.js.publish(subjects.result('r1'), 'a result')).toMatchObject({ seq: 1 });
  });

  test('what no server changes is refused, all at once, with setting, value and remedy; nothing else is made', async () => {
    const nats = await startEmpty();
    await nats.jsm.streams.add({
      name: 'RESULTS',
      subjects: ['gradus.results.>'],
      retention: RetentionPolicy.Workqueue,
    });
    await nats.jsm.streams.add({ name: 'LEDGER', subjects: ['gradus.ledger.>'], storage: StorageType.Memory });
    await nats.jsm.streams.add({ name: 'DEAD_LETTERS', subjects: ['gradus.dead.>'], deny_delete: true });
    await nats.jsm.streams.add({ name: 'MINE', subjects: ['gradus.tasks.r1.*', 'mine'] });
    const refusal = await ensureStreams(nats).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'failed_precondition' });
    const { message } = refusal instanceof Error ? refusal : { message: '' };
    expect(message).toMatch(
      /stream RESULTS: retention is "workqueue", "limits" is needed.*delete it \(nats stream rm RESULTS\)/,
    );
    expect(message).toMatch(/stream LEDGER: storage is "memory", "file" is needed/);
    expect(message).toMatch(/stream DEAD_LETTERS: deny_delete is true, not set is needed/);
    expect(message).toMatch(/stream MINE: subjects is \["gradus\.tasks\.r1\.\*"\], which stream TASKS needs/);
    expect(await streamNames(nats)).toEqual(['DEAD_LETTERS', 'LEDGER', 'MINE', 'RESULTS']);
  });
});

describe('buckets that exist with other settings', () => {
  test('buckets that were just made are as they are declared: nothing is corrected', async () => {
    const nats = await startEmpty();
    const names = [leaseBucket, runningBucket, redeliveryBucket, workersBucket] as const;
    for (const name of names) await openBucket(nats, name);
    const warn = vi.spyOn(nats.log, 'warn');
    await ensureStreams(nats);
    expect(warn.mock.calls).toEqual([]);
    expect((await streamNames(nats)).filter((name) => name.startsWith('KV_'))).toHaveLength(names.length);
  });

  test('P10: leases that never run out do so again, and a bucket in the wrong place is refused', async () => {
    const nats = await startEmpty();
    await nats.kvm.create(leaseBucket, { history: 5, storage: StorageType.File });
    await ensureStreams(nats);
    const { config } = await nats.jsm.streams.info(`KV_${leaseBucket}`);
    expect(config).toMatchObject({ max_age: nanos(leaseTtlMs), max_msgs_per_subject: 1 });
    await nats.jsm.streams.delete(`KV_${leaseBucket}`);
    await nats.kvm.create(leaseBucket, { storage: StorageType.Memory });
    await expect(ensureStreams(nats)).rejects.toThrow(/KV_gradus-leases: storage is "memory", "file" is needed/);
  });
});

describe('consumers that exist with other settings', () => {
  test.each([
    { ack_wait: nanos(60_000) },
    { max_deliver: 2 },
    { max_ack_pending: 1 },
    { headers_only: true },
    { max_batch: 1 },
    { inactive_threshold: nanos(60_000) },
    { filter_subject: 'gradus.tasks.*.other' },
  ])('P10: workers_train with %j is made again', async (wrong) => {
    const nats = await startEmpty();
    const subjectsTaken = ['gradus.tasks.*.eval', 'gradus.tasks.*.train', 'gradus.tasks.*.other'];
    const retention = RetentionPolicy.Workqueue;
    await nats.jsm.streams.add({ name: streams.tasks, subjects: subjectsTaken, retention });
    const consumer = { durable_name: workerConsumers.train, filter_subject: subjects.anyTask('train') };
    await nats.jsm.consumers.add(streams.tasks, { ...consumer, ack_policy: AckPolicy.Explicit, ...wrong });
    await nats.js.publish(subjects.task('r1', 'train'), 'a task');
    await ensureStreams(nats);
    const { config, num_pending } = await nats.jsm.consumers.info(streams.tasks, workerConsumers.train);
    expect(config).toMatchObject({ ...consumer, ack_wait: nanos(2_000), max_deliver: -1, max_ack_pending: 65_536 });
    expect([config.headers_only ?? false, config.max_batch ?? 0, config.inactive_threshold ?? 0]).toEqual([
      false,
      0,
      0,
    ]);
    expect(num_pending).toBe(1);
  });

  test('a foreign consumer that takes the same tasks is refused with its name and the command that removes it', async () => {
    const nats = await startEmpty();
    await ensureStreams(nats);
    await nats.jsm.consumers.delete(streams.tasks, workerConsumers.eval);
    const foreign = { durable_name: 'mine', filter_subject: 'gradus.tasks.r1.eval', ack_policy: AckPolicy.Explicit };
    await nats.jsm.consumers.add(streams.tasks, foreign);
    await expect(ensureStreams(nats)).rejects.toThrow(/take the tasks that workers_eval.*nats consumer rm TASKS mine/);
  });
});

describe('a store that is small', () => {
  async function serverWithRoom(roomBytes: number): Promise<string> {
    const store = JSON.stringify(await temporaryDirectory());
    const configLines = [
      `jetstream { store_dir: ${store}, max_file_store: ${roomBytes}, max_memory_store: ${64 * MiB} }`,
    ];
    return (await startServer({ jetStream: false, configLines })).url;
  }

  async function startWithRoom(roomBytes: number) {
    return await connectTo(await serverWithRoom(roomBytes));
  }

  test('is shared among all streams, none of which takes what others need', async () => {
    const nats = await startWithRoom(900 * MiB);
    await ensureStreams(nats);
    const sizes = new Map<string, number>();
    for await (const { config } of nats.jsm.streams.list()) sizes.set(config.name, config.max_bytes / MiB);
    expect([...sizes.keys()].toSorted()).toEqual(['DEAD_LETTERS', 'LEDGER', 'RESULTS', 'TASKS', 'TRAJECTORIES']);
    expect(sizes.get('LEDGER')).toBeGreaterThan(90);
    expect(sizes.get('TRAJECTORIES')).toBeGreaterThan(600);
  });

  test('P10: is shared by processes that start at the same moment, and none of them is refused', async () => {
    const url = await serverWithRoom(900 * MiB);
    const starting = await Promise.all(Array.from({ length: 8 }, () => connectTo(url)));
    await Promise.all(starting.map((nats) => ensureStreams(nats)));
    const [first] = starting;
    expect(first === undefined ? [] : await streamNames(first)).toHaveLength(5);
  });

  test('that others have used up since is no reason against streams that are there already', async () => {
    const nats = await startWithRoom(900 * MiB);
    await ensureStreams(nats);
    let left = 1;
    for (const max_bytes of [64 * MiB, 16 * MiB, 4 * MiB, MiB]) {
      for (let full = false; !full; left += 1) {
        const other = { name: `OTHER_${left}`, subjects: [`other.${left}`], storage: StorageType.File, max_bytes };
        full = await nats.jsm.streams.add(other).then(
          () => false,
          () => true,
        );
      }
    }
    await ensureStreams(nats);
  });

  test('P3: and too small for what they need at least, is refused before anything is made, with both numbers', async () => {
    const nats = await startWithRoom(72 * MiB);
    await expect(ensureStreams(nats)).rejects.toThrow(
      /has room for (6[89]|7[0-2]) MiB of streams, and the 5 that are missing need 192 MiB at least.*256 MiB free are enough/,
    );
    expect(await streamNames(nats)).toEqual([]);
    expect(minimumStoreBytes).toBe(192 * MiB);
  });
});
