import { expect, test } from 'vitest';

import { createHandOut } from './hand-out.ts';

/** What is handed out without waiting, in order. */
async function takeAll(desk: ReturnType<typeof createHandOut<string>>): Promise<string[]> {
  const taken: string[] = [];
  for (;;) {
    const next = desk.next();
    const first = await Promise.race([next, Promise.resolve().then(() => undefined)]);
    if (first === undefined) {
      // The reader that is left waiting takes what comes first after this; tests read through `taken` only.
      void next.then((late) => late !== undefined && taken.push(late));
      return taken;
    }
    taken.push(first);
  }
}

const flush = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
};

test('evaluation is handed out before training that waits longer', async () => {
  const desk = createHandOut<string>(2);
  for (const task of ['t1', 't2']) desk.offer(task, 'train');
  desk.offer('e1', 'eval');
  const taken = await takeAll(desk);
  expect(taken).toEqual(['e1', 't1']);
  desk.offer('e2', 'eval');
  desk.remove('t1');
  await flush();
  expect(taken).toEqual(['e1', 't1', 'e2']);
});

test('P6: no more run than there are slots, and a task that leaves makes room for one', async () => {
  const desk = createHandOut<string>(1);
  desk.offer('a', 'train');
  desk.offer('b', 'train');
  const taken = await takeAll(desk);
  expect(taken).toEqual(['a']);
  desk.remove('b');
  desk.remove('a');
  desk.offer('c', 'train');
  await flush();
  expect(taken).toEqual(['a', 'c']);
});

test('suspects run sixteen at a time, beside others', async () => {
  const desk = createHandOut<string>(64);
  for (let index = 0; index < 20; index += 1) desk.offerSuspect(`s${index}`, 'apart');
  desk.offer('other', 'train');
  const taken = await takeAll(desk);
  expect(taken).toHaveLength(17);
  expect(taken).toContain('other');
  desk.remove('s0');
  await flush();
  expect(taken.at(-1)).toBe('s16');
});

test('a suspect that runs alone has no other suspect beside it', async () => {
  const desk = createHandOut<string>(64);
  desk.offerSuspect('apart', 'apart');
  desk.offerSuspect('alone-1', 'alone');
  desk.offerSuspect('alone-2', 'alone');
  const taken = await takeAll(desk);
  expect(taken).toEqual(['apart']);
  desk.remove('apart');
  await flush();
  expect(taken).toEqual(['apart', 'alone-1']);
  desk.offerSuspect('late', 'apart');
  const more = await takeAll(desk);
  expect(more).toEqual([]);
});

test('the end reaches a reader that waits', async () => {
  const desk = createHandOut<string>(1);
  const waiting = desk.next();
  desk.end();
  expect(await waiting).toBeUndefined();
});
