import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import { taskAckWaitMs } from '#platform/nats/streams.ts';
import { chaosRecipe } from './chaos-recipe.ts';
import { runOnHosts } from './host-run.ts';
import { createTwoHosts, whyNoTwoHosts } from './two-hosts.ts';

const impossible = await whyNoTwoHosts();
const title = `P1: workers that are cut off for longer than the queue waits lose nothing and count nothing twice${impossible === undefined ? '' : ` (skipped: ${impossible})`}`;

test.skipIf(impossible !== undefined)(title, async ({ signal }) => {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-cut-'));
  await using hosts = await createTwoHosts();
  await using nats = await startNatsServer({ storeDirectory: join(directory, 'nats'), host: hosts.near.ip });
  const recipe = chaosRecipe({ seed: 5, stageSteps: 8, turnMs: 150, trainMs: 50, workers: 3, engines: 1 });
  const options = {
    recipe,
    directory,
    signal,
    runId: 'cut',
    natsUrl: nats.url,
    // One worker stays on the side of NATS: it gets what the others cannot finish.
    hostOf: (label: string) => (label === 'rollout-1' || !label.startsWith('rollout') ? hosts.near : hosts.far),
  };
  const cuts: { fromMs: number; toMs: number }[] = [];
  const { audit, stored, findings } = await runOnHosts(options, async (live) => {
    // The second one is also longer than NATS takes to notice, three pings of 5 s.
    for (const cutMs of [taskAckWaitMs + 2_000, taskAckWaitMs + 18_000]) {
      expect(await live.until({ kind: 'answered', share: 1 }, live.answered + 30, signal)).toBe(true);
      await hosts.cut();
      const fromMs = Date.now();
      // Time is the subject: a cut that is shorter, and one that is longer, than what notices it.
      await sleep(cutMs, signal);
      cuts.push({ fromMs, toMs: Date.now() });
      await hosts.heal();
    }
  });
  expect(findings, directory).toEqual([]);
  const [, long] = cuts;
  const workersWithin = (fromMs: number, toMs: number) =>
    new Set(stored.results.filter(({ atMs }) => atMs > fromMs && atMs < toMs).map(({ value }) => value.workerId));
  // The cut was one, it took work from the far worker, and the near worker did that work.
  expect(workersWithin(0, long?.fromMs ?? 0)).toEqual(new Set(['rollout-1', 'rollout-2', 'rollout-3']));
  expect(workersWithin((long?.fromMs ?? 0) + 1_000, long?.toMs ?? 0)).toEqual(new Set(['rollout-1']));
  expect(workersWithin(long?.toMs ?? 0, Infinity).size).toBeGreaterThan(1);
  expect(audit.totals).toMatchObject({ lost: 0, duplicated: 0, open: 0 });
  expect(audit.totals.completed).toBe(audit.totals.published);
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
});
