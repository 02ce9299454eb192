import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connectNats } from '#platform/nats/connect.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { findMessage } from '#platform/nats/find-message.ts';
import { getMessage } from '#platform/nats/messages.ts';
import { ensureStreams, streams, subjects } from '#platform/nats/streams.ts';
import { silentLog } from '../platform/fixtures.ts';
import { until } from '../until.ts';
import { chaosRecipe } from './chaos-recipe.ts';
import { thisHost } from './host-fleet.ts';
import { runOnHosts } from './host-run.ts';
import { ledStreams, startNatsCluster } from './nats-cluster.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

/** A server that came back first has to catch up: without it the loss of another one would be the loss of the majority. */
async function untilWhole(nats: Nats, stream: string): Promise<void> {
  await until(async () => {
    const replicas = (await nats.jsm.streams.info(stream)).cluster?.replicas ?? [];
    return replicas.filter(({ current, offline }) => current && !offline).length === 2;
  }, `both followers of ${stream} are up to date`);
}

test('what a cluster has confirmed is read at once, whichever server answers', async ({ signal }) => {
  const directory = await temporaryDirectory();
  await using cluster = await startNatsCluster(directory);
  const options = { url: cluster.url, name: 'test', log: silentLog, signal, replicas: 3, connectTimeoutMs: 60_000 };
  const nats = await connectNats(options);
  await ensureStreams(nats);
  const subject = subjects.ledger('r1');
  for (let number = 0; number < 300; number += 1) {
    const { seq } = await nats.js.publish(subject, String(number), { timeout: 20_000 });
    const newest = await findMessage(nats, streams.ledger, { last_by_subj: subject }, signal);
    expect(newest?.sequence).toBe(seq);
    expect(Buffer.from(await getMessage(nats, streams.ledger, seq)).toString()).toBe(String(number));
  }
  await nats.close();
});

test('P1: a cluster of three NATS servers loses the leader of one stream after the other, and no rollout', async ({
  signal,
}) => {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-cluster-'));
  await using cluster = await startNatsCluster(directory);
  const recipe = chaosRecipe({ seed: 6, stageSteps: 8, turnMs: 60, trainMs: 50, workers: 2, engines: 1 });
  const options = {
    recipe,
    directory,
    signal,
    runId: 'cluster',
    natsUrl: cluster.url,
    natsFlags: ['--nats-replicas', '3'],
    hostOf: () => thisHost,
  };
  let killed = 0;
  const { audit, findings } = await runOnHosts(options, async (live) => {
    for (const stream of ledStreams) {
      expect(await live.until({ kind: 'answered', share: 1 }, live.answered + 40, signal)).toBe(true);
      await untilWhole(live.nats, stream);
      const number = await cluster.killLeaderOf(stream, signal);
      killed += 1;
      // Two of three are a majority: the run goes on without the third.
      expect(await live.until({ kind: 'answered', share: 1 }, live.answered + 40, signal)).toBe(true);
      await cluster.restart(number);
      await live.until({ kind: 'answered', share: 1 }, live.answered + 20, signal);
    }
  });
  expect(killed).toBe(3);
  expect(findings, directory).toEqual([]);
  expect(audit.totals).toMatchObject({ lost: 0, duplicated: 0, open: 0 });
  expect(audit.totals.completed).toBe(audit.totals.published);
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
});
