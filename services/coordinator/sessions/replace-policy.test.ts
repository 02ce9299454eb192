import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { foldEntry } from '#run/ledger/fold.ts';
import type { FactInit } from '#run/ledger/read-ledger.ts';
import { newRunState } from '#run/ledger/run-state.ts';
import { createRunArtefacts } from '../files/run-artefacts.ts';
import { replacePolicy } from './replace-policy.ts';
import type { RunContext } from '../run-context.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const begun: FactInit[] = [
  { case: 'runStarted', value: { recipeJson: '{}', recipeHash: 'h', seed: 1n, directory: '/d' } },
  { case: 'stageEntered', value: { stage: 'soup', stageIndex: 0 } },
];
const replaced: FactInit = {
  case: 'stageFact',
  value: { stage: 'soup', kind: 'export', json: '{"of":2}', newBranch: true },
};

it('P1: another policy is whole before the ledger says so, and is written again after a death before that', async () => {
  const directory = await temporaryDirectory('gradus-replace-');
  const model = join(directory, 'model');
  await mkdir(model);
  await writeFile(join(model, 'tokenizer.json'), '{}');
  let state = newRunState('r');
  const append = (fact: FactInit) => {
    state = foldEntry(state, create(LedgerEntrySchema, { runId: 'r', fact }));
  };
  begun.forEach(append);
  const loaded: unknown[] = [];
  const context = {
    directory,
    resolved: { paths: { model } },
    ledger: {
      get state() {
        return state;
      },
      append: async (fact: FactInit) => append(fact),
    },
    artefacts: createRunArtefacts({
      client: undefined,
      runId: 'r',
      kept: () => [],
      directory,
      retries: { totalMs: 0, onRetry() {} },
    }),
    policy: { load: async (version: number, weights: object) => void loaded.push([version, weights]) },
    confirmLead: async () => {},
    writeFolder: async (_signal: AbortSignal, write: () => Promise<void>) => write(),
    signal: new AbortController().signal,
  } as unknown as RunContext;
  const to = join(directory, 'branches/1/model');

  const dies = replacePolicy(
    context,
    async (draft) => {
      await writeFile(join(draft, 'config.json'), '{"half');
      throw new Error('killed');
    },
    () => replaced,
  );
  await expect(dies).rejects.toThrow('killed');
  expect([state.branch.index, loaded]).toEqual([0, []]);
  await expect(readdir(to)).rejects.toThrow('ENOENT');

  await replacePolicy(
    context,
    async (draft) => {
      expect(await readdir(draft)).toEqual([]);
      await writeFile(join(draft, 'config.json'), '{}');
      await writeFile(join(draft, 'model.safetensors'), 'mean');
    },
    () => replaced,
  );
  expect(await readFile(join(to, 'model.safetensors'), 'utf8')).toBe('mean');
  expect(await readdir(to)).toContain('tokenizer.json');
  expect(state.branch).toEqual({ index: 1, baseStep: 0, baseVersion: 1 });
  expect(state.stages.at(-1)?.progress).toEqual({ of: 2 });
  expect(loaded).toEqual([[1, { path: to }]]);
});
