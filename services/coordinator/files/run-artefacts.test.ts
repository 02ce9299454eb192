import { expect, it } from 'vitest';
import { newRunState } from '#run/ledger/run-state.ts';
import { createRunArtefacts } from './run-artefacts.ts';
import type { RunArtefactsOptions } from './run-artefacts.ts';

it('the store keeps the newest version and checkpoint of a run, and what else is to stay', async () => {
  const digest = (letter: string) => letter.repeat(64);
  const asked: unknown[] = [];
  const client = { retain: async (request: object) => asked.push(request) } as unknown as RunArtefactsOptions['client'];
  const artefacts = createRunArtefacts({
    client,
    runId: 'r',
    kept: ({ step }) => [`artefact:${digest('c')}`, `/a/folder/of/step/${step}`],
    directory: '/r',
    retries: { totalMs: 0, onRetry() {} },
  });
  const state = {
    ...newRunState('r'),
    weightsPath: `artefact:${digest('a')}`,
    checkpointPath: `artefact:${digest('b')}`,
  };
  await artefacts.retain(state, AbortSignal.timeout(60_000));
  expect(asked).toEqual([{ runId: 'r', keep: [digest('a'), digest('b'), digest('c')], minAgeMs: 600_000n }]);
});
