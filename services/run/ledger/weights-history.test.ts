import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { findWeights, newestWeights, weightsHistory } from './weights-history.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradus-weights-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

type Fact = NonNullable<MessageInitShape<typeof LedgerEntrySchema>['fact']>;
const history = (...facts: Fact[]) =>
  weightsHistory(facts.map((fact) => create(LedgerEntrySchema, { runId: 'demo', fact })));
const started: Fact = { case: 'runStarted', value: { directory: '/old/demo' } };
const committed = (version: bigint, weightsPath: string, checkpointPath = ''): Fact => ({
  case: 'stepCommitted',
  value: { step: version, version, weightsPath, checkpointPath },
});
const rolledBack: Fact = { case: 'gateDecided', value: { stage: 'a', passed: false, action: 'roll_back' } };

async function keep(...path: string[]): Promise<string> {
  const at = join(directory, ...path);
  await mkdir(at, { recursive: true });
  await writeFile(join(at, 'model.safetensors'), '');
  return at;
}

test('weights are found where the run lies now, whatever its directory was called', async () => {
  const path = await keep('versions', '000001');
  const known = history(started, committed(1n, '/old/demo/versions/000001'));
  expect(await findWeights(known, { directory }, 1n)).toEqual({ version: 1n, path });
});

test('a version whose own directory is gone is taken from its checkpoint', async () => {
  const path = await keep('checkpoints', 'step-000002');
  const known = history(started, committed(2n, '/old/demo/versions/000002', '/old/demo/checkpoints/step-000002'));
  expect(await findWeights(known, { directory }, 2n)).toEqual({ version: 2n, path });
});

test('a run that was moved and resumed has its weights of before and after in the new place', async () => {
  const paths = [await keep('versions', '000001'), await keep('versions', '000002')];
  const moved: Fact = { case: 'runResumed', value: { directory: '/new/demo' } };
  const first = committed(1n, '/old/demo/versions/000001');
  const known = history(started, first, moved, committed(2n, '/new/demo/versions/000002'));
  expect(await findWeights(known, { directory }, 1n)).toEqual({ version: 1n, path: paths[0] });
  expect(await newestWeights(known, { directory })).toEqual({ version: 2n, path: paths[1] });
});

test('versions that count on from another run are the same weights under a new number', async () => {
  const path = await keep('versions', '000001');
  const first = committed(1n, '/old/demo/versions/000001');
  const move = (by: bigint): Fact => ({ case: 'versionsMoved', value: { by } });
  expect(await findWeights(history(started, move(4n)), { directory }, 4n)).toEqual({ version: 4n, path: undefined });
  expect(await findWeights(history(started, first, move(4n)), { directory }, 5n)).toEqual({ version: 5n, path });
});

test('version 0 is the model of the recipe, which needs no loading', async () => {
  expect(await findWeights(history(started), { directory }, 0n)).toEqual({ version: 0n, path: undefined });
  expect(await newestWeights(history(started), { directory })).toEqual({ version: 0n, path: undefined });
});

test('a roll-back is a version of its own, whose weights the new branch has as its model', async () => {
  const path = await keep('branches', '1', 'model');
  const known = history(started, committed(1n, '/old/demo/versions/000001'), rolledBack);
  expect(await findWeights(known, { directory }, 2n)).toEqual({ version: 2n, path });
});

test('a version that is no longer kept is refused with those that are, and the newest of them is known', async () => {
  const path = await keep('versions', '000003');
  const known = history(
    started,
    ...[1n, 2n, 3n, 4n].map((version) => committed(version, `/old/demo/versions/00000${version}`)),
  );
  await expect(findWeights(known, { directory }, 1n)).rejects.toThrow(
    /the weights of version 1 are no longer kept in .*; versions that are there: 0, 3\. Replay .* --policy current/,
  );
  await expect(findWeights(known, { directory }, 9n)).rejects.toThrow('the ledger knows no version 9');
  expect(await newestWeights(known, { directory })).toEqual({ version: 3n, path });
});

test('a version that lies in a store is fetched from there; one that is in none says where it was looked for', async () => {
  const [first, second] = ['a', 'b'].map((digit) => `artefact:${digit.repeat(64)}`);
  if (first === undefined || second === undefined) throw new Error('two locations');
  const known = history(
    started,
    committed(1n, first),
    { case: 'runResumed', value: { directory: '/new/demo' } },
    committed(2n, second),
  );
  const asked: string[] = [];
  const store = {
    url: 'nats:artefacts',
    has: async (location: string) => location === second,
    fetch: async (location: string) => {
      asked.push(location);
      return '/fetched';
    },
  };
  expect(await findWeights(known, { directory, store }, 2n)).toEqual({
    version: 2n,
    path: '/fetched',
    location: second,
  });
  expect(await newestWeights(known, { directory, store })).toMatchObject({ version: 2n, path: '/fetched' });
  expect(asked).toEqual([second, second]);
  await expect(findWeights(known, { directory, store }, 1n)).rejects.toThrow(
    `the weights of version 1 are no longer kept in ${directory} or nats:artefacts; versions that are there: 0, 2`,
  );
  await expect(findWeights(known, { directory }, 2n)).rejects.toThrow(
    `the weights of version 2 lie in a store, as ${second}; give it with --store`,
  );
});
