import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import { chaosRecipe } from './chaos-recipe.ts';
import { thisHost } from './host-fleet.ts';
import { runOnHosts } from './host-run.ts';
import { findStalls } from './stalls.ts';
import { progressTimes } from './stored-recovery.ts';

test('P1, P10: a machine with half of the workers, an engine and the leading coordinator is lost for good, and the rest finishes the run', async ({
  signal,
}) => {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-node-'));
  await using nats = await startNatsServer({ storeDirectory: join(directory, 'nats') });
  const options = {
    recipe: chaosRecipe({ seed: 8, stageSteps: 5, turnMs: 100, trainMs: 50, workers: 4, engines: 2 }),
    directory,
    signal,
    runId: 'node',
    natsUrl: nats.url,
    hostOf: () => thisHost,
  };
  const lost = ['rollout-3', 'rollout-4', 'engine-2', 'coordinator-1'];
  let lostAtMs = 0;
  const { audit, stored, findings } = await runOnHosts(options, async (live, fleet) => {
    expect(fleet.labels).toEqual(expect.arrayContaining(lost));
    expect(await live.until({ kind: 'batch', step: 2 }, 1, signal)).toBe(true);
    lostAtMs = Date.now();
    await fleet.lose(lost);
  });
  expect(findings, directory).toEqual([]);
  const workersWithin = (fromMs: number, toMs: number) =>
    new Set(stored.results.filter(({ atMs }) => atMs > fromMs && atMs < toMs).map(({ value }) => value.workerId));
  expect(workersWithin(0, lostAtMs)).toEqual(new Set(['rollout-1', 'rollout-2', 'rollout-3', 'rollout-4']));
  // What was on its way when they were killed may still arrive.
  expect(workersWithin(lostAtMs + 1_000, Infinity)).toEqual(new Set(['rollout-1', 'rollout-2']));
  const holders = stored.entries.flatMap(({ value: { fact } }) =>
    fact.case === 'runStarted' || fact.case === 'runResumed' ? [fact.value.holder] : [],
  );
  expect(holders).toEqual(['coordinator-1', 'coordinator-2']);
  expect(audit.totals).toMatchObject({ lost: 0, duplicated: 0, open: 0 });
  expect(audit.totals.completed).toBe(audit.totals.published);
  expect(findStalls(progressTimes(stored), []).filter(({ stallMs }) => stallMs > 30_000)).toEqual([]);
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
});
