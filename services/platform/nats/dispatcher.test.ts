import { expect, test } from 'vitest';

import { createDispatcher } from './dispatcher.ts';

/** What is handed out without waiting, in order. */
async function takeAll(dispatcher: ReturnType<typeof createDispatcher<string>>): Promise<string[]> {
  const taken: string[] = [];
  for (;;) {
    const next = dispatcher.next();
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
  const dispatcher = createDispatcher<string>(2);
  for (const task of ['t1', 't2']) dispatcher.offer(task, 'train');
  dispatcher.offer('e1', 'eval');
  const taken = await takeAll(dispatcher);
  expect(taken).toEqual(['e1', 't1']);
  dispatcher.offer('e2', 'eval');
  dispatcher.remove('t1');
  await flush();
  expect(taken).toEqual(['e1', 't1', 'e2']);
});

test('P6: no more run than there are slots, and a task that leaves makes room for one', async () => {
  const dispatcher = createDispatcher<string>(1);
  dispatcher.offer('a', 'train');
  dispatcher.offer('b', 'train');
  const taken = await takeAll(dispatcher);
  expect(taken).toEqual(['a']);
  dispatcher.remove('b');
  dispatcher.remove('a');
  dispatcher.offer('c', 'train');
  await flush();
  expect(taken).toEqual(['a', 'c']);
});

test('quarantined tasks run sixteen at a time, next to others', async () => {
  const dispatcher = createDispatcher<string>(64);
  for (let index = 0; index < 20; index += 1) dispatcher.offerQuarantined(`s${index}`, 'apart');
  dispatcher.offer('other', 'train');
  const taken = await takeAll(dispatcher);
  expect(taken).toHaveLength(17);
  expect(taken).toContain('other');
  dispatcher.remove('s0');
  await flush();
  expect(taken.at(-1)).toBe('s16');
});

test('a task that runs alone has no other quarantined task next to it', async () => {
  const dispatcher = createDispatcher<string>(64);
  dispatcher.offerQuarantined('apart', 'apart');
  dispatcher.offerQuarantined('alone-1', 'alone');
  dispatcher.offerQuarantined('alone-2', 'alone');
  const taken = await takeAll(dispatcher);
  expect(taken).toEqual(['apart']);
  dispatcher.remove('apart');
  await flush();
  expect(taken).toEqual(['apart', 'alone-1']);
  dispatcher.offerQuarantined('late', 'apart');
  const more = await takeAll(dispatcher);
  expect(more).toEqual([]);
});

test('the end reaches a reader that waits', async () => {
  const dispatcher = createDispatcher<string>(1);
  const waiting = dispatcher.next();
  dispatcher.end();
  expect(await waiting).toBeUndefined();
});
