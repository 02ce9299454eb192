import { pino } from 'pino';
import { expect, test } from 'vitest';

import { createLifecycle } from './lifecycle.ts';

const log = pino({ level: 'silent' });

test('what was started is disposed in reverse order', async () => {
  const lifecycle = createLifecycle(log);
  const order: string[] = [];
  lifecycle.defer('first', () => void order.push('first'));
  lifecycle.defer('second', async () => {
    await Promise.resolve();
    order.push('second');
  });
  lifecycle.serving();
  lifecycle.stop('test');
  expect(lifecycle.signal.aborted).toBe(true);
  await expect(lifecycle.drain(1_000)).resolves.toEqual({ clean: true });
  expect(order).toEqual(['second', 'first']);
  expect(lifecycle.state).toBe('stopped');
});

test('one part that cannot be disposed does not keep the others from it', async () => {
  const lifecycle = createLifecycle(log);
  let disposed = false;
  lifecycle.defer('good', () => void (disposed = true));
  lifecycle.defer('bad', () => Promise.reject(new Error('stuck')));
  lifecycle.stop('test');
  await expect(lifecycle.drain(1_000)).resolves.toEqual({ clean: false });
  expect(disposed).toBe(true);
});

test('P3: a drain that hangs ends at its bound', async () => {
  const lifecycle = createLifecycle(log);
  lifecycle.defer('hangs', () => new Promise(() => {}));
  lifecycle.stop('test');
  await expect(lifecycle.drain(20)).resolves.toEqual({ clean: false });
});

test('a failure stops the service and the first one is remembered', () => {
  const lifecycle = createLifecycle(log);
  lifecycle.serving();
  const first = new Error('first');
  lifecycle.fail(first);
  lifecycle.fail(new Error('second'));
  expect(lifecycle.state).toBe('draining');
  expect(lifecycle.failure).toBe(first);
});

test('a service that stops cannot begin to serve', () => {
  const lifecycle = createLifecycle(log);
  lifecycle.stop('test');
  expect(() => lifecycle.serving()).toThrow(/cannot go from draining to serving/);
});
