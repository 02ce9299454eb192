import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageType } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import { connectNats } from '#platform/nats/connect.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import { silentLog } from './fixtures.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const MiB = 1024 ** 2;

test('P1: a disk that fills between two starts of its server takes no stream away', async ({ signal }) => {
  const storeDirectory = await temporaryDirectory();
  {
    await using server = await startNatsServer({ storeDirectory, signal });
    const conf = await readFile(join(storeDirectory, 'nats-server.conf'), 'utf8');
    const offeredBytes = Number(/max_file_store: (\d+)/.exec(conf)?.[1]);
    expect(offeredBytes).toBeGreaterThan(MiB);
    const nats = await connectNats({ url: server.url, name: 'test', log: silentLog, signal });
    const settings = { name: 'BIG', subjects: ['big'], storage: StorageType.File, max_bytes: offeredBytes - MiB };
    await nats.jsm.streams.add(settings);
    await nats.js.publish('big', 'kept');
    await nats.close();
  }
  // More than what was left to offer: the server would not find room for the stream if it counted anew.
  await writeFile(join(storeDirectory, 'ballast'), Buffer.alloc(64 * MiB, 1));
  await using server = await startNatsServer({ storeDirectory, signal });
  const nats = await connectNats({ url: server.url, name: 'test', log: silentLog, signal });
  expect((await nats.jsm.streams.info('BIG')).state.messages).toBe(1);
  await nats.close();
});
