import { expect, test } from 'vitest';
import { createSingleFlight } from './single-flight.ts';

const { signal } = new AbortController();

test('one flight serves all who ask for the same, and the next one begins anew', async () => {
  const flights = createSingleFlight<number>();
  let begun = 0;
  const { promise: landed, resolve: land } = Promise.withResolvers<void>();
  const fly = async (): Promise<number> => {
    begun += 1;
    await landed;
    return begun;
  };
  const both = [flights.run('a', signal, fly), flights.run('a', signal, fly)];
  land();
  expect(await Promise.all(both)).toEqual([
    { result: 1, shared: false },
    { result: 1, shared: true },
  ]);
  expect(await flights.run('a', signal, fly)).toEqual({ result: 2, shared: false });
});

test('one who leaves does not disturb the others; when the last leaves, the flight is cancelled', async () => {
  const flights = createSingleFlight<number>();
  const began: AbortSignal[] = [];
  const fly = (flight: AbortSignal): Promise<number> => {
    began.push(flight);
    return new Promise((_, reject) => flight.addEventListener('abort', () => reject(new Error('cut'))));
  };
  const [one, other] = [new AbortController(), new AbortController()];
  const waits = [flights.run('a', one.signal, fly), flights.run('a', other.signal, fly)];
  one.abort();
  await expect(waits[0]).rejects.toMatchObject({ name: 'CancelledError' });
  expect(began.map(({ aborted }) => aborted)).toEqual([false]);
  other.abort();
  await expect(waits[1]).rejects.toMatchObject({ name: 'CancelledError' });
  expect(began.map(({ aborted }) => aborted)).toEqual([true]);
});

test('a failure reaches everybody and is not kept', async () => {
  const flights = createSingleFlight<number>();
  const waits = [1, 2].map(() => flights.run('a', signal, () => Promise.reject(new Error('no'))));
  for (const wait of waits) await expect(wait).rejects.toThrow('no');
  expect(await flights.run('a', signal, async () => 3)).toMatchObject({ result: 3 });
});
