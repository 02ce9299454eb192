import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StageRecipe } from '#recipe/schema.ts';
import type { RunContext } from '../run-context.ts';
import { createStageContext } from './stage-context.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

/** A run whose disk is full at the first try of every write: what it began to read of it is gone. */
async function onFullDisk() {
  const directory = await temporaryDirectory('gradus-stage-');
  const facts: unknown[] = [];
  let waits = 0;
  const run = {
    directory,
    recipe: { environment: { name: 'search' } },
    resolved: { paths: { model: directory } },
    signal: new AbortController().signal,
    confirmLead: async () => {},
    ledger: { append: async (fact: unknown) => void facts.push(fact) },
    async writeFolder(_signal: AbortSignal, write: () => Promise<void>) {
      waits += 1;
      await write();
      await write();
    },
  } as unknown as RunContext;
  const stage = createStageContext(run, { name: 'asked', kind: 'eval' } as StageRecipe);
  return { stage, facts, waits: () => waits };
}

test.each([
  ['parts', ['one\n', 'two\n']],
  ['parts that can be read once', ['one\n', 'two\n'].values()],
  ['text', 'one\ntwo\n'],
])('P10: a file of a stage of %s waits for room, and is whole when there is some', async (_what, parts) => {
  const { stage, waits } = await onFullDisk();
  expect(await readFile(await stage.write('notes.txt', parts), 'utf8')).toBe('one\ntwo\n');
  expect(waits()).toBe(1);
});

test('P10: rows that can be read once are left whole as well', async () => {
  const { stage, facts } = await onFullDisk();
  const rows = ['a', 'b'].map((id) => ({ id, data: {}, gold: {}, tags: {} }));
  await stage.leaveRows(rows.values());
  const path = await stage.write('notes.txt', '');
  const left = await readFile(join(path, '../rows.jsonl'), 'utf8');
  expect(
    left
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual(rows);
  expect(facts).toMatchObject([{ case: 'artefactLeft', value: { stage: 'asked', artefact: 'rows' } }]);
});
