import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import type { NatsServer } from '#platform/nats/nats-server.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';
import { chaosRecipe } from './chaos-recipe.ts';
import { thisHost } from './host-fleet.ts';
import type { Replacement } from './host-fleet.ts';
import { runOnHosts } from './host-run.ts';
import type { LiveRun } from './live-run.ts';
import { copyCheckout } from './other-checkout.ts';
import { findStalls } from './stalls.ts';
import { progressTimes } from './stored-recovery.ts';

/** Who is called comes before who calls, and who writes the ledger last: docs/how-to/upgrade.md. */
const order = ['retrieval', 'reward', 'judge', 'engine', 'policy', 'rollout', 'learner', 'coordinator'];
/** An older checkout with its set-up, to upgrade from; without it a copy of this one. */
const from = process.env['GRADUS_UPGRADE_FROM'];

function inOrder(labels: readonly string[]): readonly string[] {
  const rank = (label: string): number => order.findIndex((name) => label === name || label.startsWith(`${name}-`));
  return labels.toSorted((one, other) => rank(one) - rank(other));
}

test('P1, P10: every service and NATS is replaced by another version while a run goes on, and no rollout is lost or counts twice', async ({
  signal,
  annotate,
}) => {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-upgrade-'));
  const nats = { storeDirectory: join(directory, 'nats'), port: await lastingPort() };
  let server: NatsServer = await startNatsServer(nats);
  onTestFinished(() => server.stop());
  const options = {
    recipe: chaosRecipe({ seed: 7, stageSteps: 20, turnMs: 120, trainMs: 200, workers: 3, engines: 2 }),
    directory,
    signal,
    runId: 'upgraded',
    natsUrl: server.url,
    checkout: from ?? (await copyCheckout(join(directory, 'checkout'))),
    hostOf: () => thisHost,
  };
  const replaced: Replacement[] = [];
  const more = async (live: LiveRun, results: number): Promise<void> => {
    expect(await live.until({ kind: 'answered', share: 1 }, live.answered + results, signal)).toBe(true);
  };
  const { audit, stored, findings } = await runOnHosts(options, async (live, fleet) => {
    for (const label of inOrder(fleet.labels)) {
      await more(live, 15);
      replaced.push(await fleet.replace(label, repositoryRoot));
    }
    await more(live, 15);
    const atMs = Date.now();
    await server.stop();
    const drainedMs = Date.now() - atMs;
    const startMs = Date.now();
    server = await startNatsServer(nats);
    replaced.push({ label: 'nats', atMs, drainedMs, startedMs: Date.now() - startMs });
    await more(live, 15);
  });
  const stalls = findStalls(progressTimes(stored), []);
  const within = ({ atMs, drainedMs, startedMs }: Replacement): number =>
    Math.max(
      0,
      ...stalls
        .filter(({ fromMs, toMs }) => toMs > atMs && fromMs < atMs + drainedMs + startedMs)
        .map(({ stallMs }) => stallMs),
    );
  for (const each of replaced)
    await annotate(
      `${each.label}: drained in ${each.drainedMs} ms, served after ${each.startedMs} ms, longest time without progress ${within(each)} ms`,
    );
  expect(findings, directory).toEqual([]);
  expect(audit.totals).toMatchObject({ lost: 0, duplicated: 0, open: 0, failedInfra: 0 });
  expect(audit.totals.completed).toBe(audit.totals.published);
  expect(stalls.filter(({ stallMs }) => stallMs > 30_000)).toEqual([]);
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
});
