import { expect, test } from 'vitest';

import { createMessageQueue } from './message-queue.ts';

test('items come in order, also to a reader that waits', async () => {
  const queue = createMessageQueue<number>();
  const first = queue.next();
  queue.push(1);
  queue.push(2);
  expect(await first).toEqual({ done: false, value: 1 });
  expect(queue.size).toBe(1);
  expect(await queue.next()).toEqual({ done: false, value: 2 });
});

test('the end comes after what is queued, and a failure is thrown there', async () => {
  const ended = createMessageQueue<number>();
  ended.push(1);
  ended.end();
  expect(await ended.next()).toMatchObject({ value: 1 });
  expect(await ended.next()).toMatchObject({ done: true });

  const failed = createMessageQueue<number>();
  const waiting = failed.next();
  failed.end(new Error('torn'));
  await expect(waiting).rejects.toThrow('torn');
});

test('whenEmpty resolves when the last item is taken', async () => {
  const queue = createMessageQueue<number>();
  await queue.whenEmpty();
  queue.push(1);
  let empty = false;
  const waiting = queue.whenEmpty().then(() => (empty = true));
  await Promise.resolve();
  expect(empty).toBe(false);
  await queue.next();
  await waiting;
  expect(empty).toBe(true);
});

test('P10: whenEmpty resolves at the end, when nobody takes what is left', async () => {
  const queue = createMessageQueue<number>();
  queue.push(1);
  const waiting = queue.whenEmpty();
  queue.end();
  await waiting;
  expect(queue.size).toBe(1);
});

test('drain takes what is left without waiting', () => {
  const queue = createMessageQueue<number>();
  queue.push(1);
  queue.push(2);
  expect(queue.drain()).toEqual([1, 2]);
  expect(queue.size).toBe(0);
});
