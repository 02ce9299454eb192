import { expect, test } from 'vitest';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { createGatheredStage, type StageItem } from './gathered-stage.ts';

interface Item extends StageItem {
  readonly name: string;
  readonly done: Promise<string>;
  readonly finish: (result: string) => void;
}

function item(name: string, wanted = true): Item {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  promise.catch(() => {});
  return {
    name,
    done: promise,
    finish: resolve,
    wanted: () => wanted,
    dropped: () => resolve('dropped'),
    failed: reject,
  };
}

test('what comes while a batch is worked on is done together, and what nobody wants is left out', async () => {
  const batches: string[][] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const begun: PromiseWithResolvers<void>[] = [Promise.withResolvers(), Promise.withResolvers()];
  const stage = createGatheredStage<Item>({
    concurrency: 1,
    maxBatch: 3,
    async run(items) {
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      batches.push(items.map(({ name }) => name));
      begun[batches.length - 1]?.resolve();
      await gate.promise;
      for (const { name, finish } of items) finish(`did ${name}`);
    },
  });
  const first = item('a');
  stage.push([first]);
  await begun[0]?.promise;
  const rest = [item('b'), item('left', false), item('c'), item('d'), item('e')];
  for (const one of rest) stage.push([one]);
  expect(stage.waiting).toBe(5);
  gates[0]?.resolve();
  await begun[1]?.promise;
  expect(batches).toEqual([['a'], ['b', 'c', 'd']]);
  gates[1]?.resolve();
  expect(await Promise.all([first.done, ...rest.slice(0, 4).map(({ done }) => done)])).toEqual([
    'did a',
    'did b',
    'dropped',
    'did c',
    'did d',
  ]);
});

test('a batch whose thread was lost is done once more; any other failure is its items’ own', async () => {
  let runs = 0;
  const lostOnce = createGatheredStage<Item>({
    concurrency: 1,
    maxBatch: 8,
    async run(items) {
      runs += 1;
      if (runs === 1) throw new TransientError('unavailable', 'the thread was lost');
      for (const { finish } of items) finish('done');
    },
  });
  const one = item('one');
  lostOnce.push([one]);
  expect(await one.done).toBe('done');

  const broken = createGatheredStage<Item>({
    concurrency: 1,
    maxBatch: 1,
    run: ([first]) =>
      first?.name === 'bad'
        ? Promise.reject(new TerminalError('internal', 'it cannot be read'))
        : Promise.resolve(first?.finish('fine')),
  });
  const [bad, good] = [item('bad'), item('good')];
  broken.push([bad, good]);
  await expect(bad.done).rejects.toThrow('it cannot be read');
  expect(await good.done).toBe('fine');
});
