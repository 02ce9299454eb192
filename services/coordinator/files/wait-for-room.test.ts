import { expect, test } from 'vitest';
import { waitForRoom } from './wait-for-room.ts';

const full = () => Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });

function waiter() {
  const stop = new AbortController();
  const messages: (string | undefined)[] = [];
  const progress = { update: ({ message }: { readonly message?: string }) => void messages.push(message) };
  return { stop, messages, options: { directory: '/run', progress, log: { warn: () => {} }, stop: stop.signal } };
}

test('P9, P10: a write waits for room on a full disk, says so once, and says when it is over', async () => {
  const { options, messages } = waiter();
  let tries = 0;
  await waitForRoom(options, new AbortController().signal, async () => {
    tries += 1;
    if (tries < 3) throw full();
  });
  expect(tries).toBe(3);
  expect(messages).toEqual(['waiting for room in /run: ENOSPC: no space left on device, write', '']);
});

test('P10: a run that is asked to stop after its step waits for room no longer', async () => {
  const { options, stop } = waiter();
  let tries = 0;
  const write = async (): Promise<void> => {
    tries += 1;
    // While it waits for the next try.
    queueMicrotask(() => stop.abort());
    throw full();
  };
  const waiting = waitForRoom(options, new AbortController().signal, write);
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  await expect(waitForRoom(options, new AbortController().signal, write)).rejects.toMatchObject({ code: 'cancelled' });
  expect(tries).toBe(2);
  // What has room is written after the request too.
  await waitForRoom(options, new AbortController().signal, async () => {
    tries += 1;
  });
  expect(tries).toBe(3);
});
