import { expect, test } from 'vitest';
import { hasSuccessor, offerSuccession } from '../../services/coordinator/leadership/successors.ts';
import { connectTo, startServer } from '../platform/fixtures.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const { signal } = new AbortController();

test('P10: a coordinator that offers to take over is found by one that leaves at that moment, and not after it has ended', async () => {
  const server = await startServer({ storeDirectory: await temporaryDirectory() });
  const [follower, leader] = [await connectTo(server.url), await connectTo(server.url)];
  // Each is a race that the offer must win.
  for (let fleet = 0; fleet < 200; fleet++) {
    const offer = await offerSuccession(follower, `fleet-${fleet}`, () => true, signal);
    expect(await hasSuccessor(leader, `fleet-${fleet}`), `fleet ${fleet}`).toBe(true);
    offer[Symbol.dispose]();
  }
  await follower.nc.flush();
  expect(await hasSuccessor(leader, 'fleet-0')).toBe(false);
});
