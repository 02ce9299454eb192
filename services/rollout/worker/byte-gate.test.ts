import { expect, test } from 'vitest';
import { createByteGate } from './byte-gate.ts';

test('P6: what does not fit waits, in order, and enters when there is room', async () => {
  const gate = createByteGate(100);
  const first = await gate.enter(60);
  const entered: string[] = [];
  const second = gate.enter(60).then((room) => (entered.push('second'), room));
  const third = gate.enter(10).then((room) => (entered.push('third'), room));
  await Promise.resolve();
  expect(entered).toEqual([]);
  expect(gate.usedBytes).toBe(60);
  first[Symbol.dispose]();
  for (const room of await Promise.all([second, third])) room[Symbol.dispose]();
  expect(entered).toEqual(['second', 'third']);
  expect(gate.usedBytes).toBe(0);
});

test('one that is larger than all the room enters alone', async () => {
  const gate = createByteGate(100);
  const large = await gate.enter(1000);
  let entered = false;
  const small = gate.enter(1).then((room) => ((entered = true), room));
  await Promise.resolve();
  expect(entered).toBe(false);
  large[Symbol.dispose]();
  (await small)[Symbol.dispose]();
  expect(gate.usedBytes).toBe(0);
});
