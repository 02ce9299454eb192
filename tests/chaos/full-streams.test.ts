import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { sleep } from '#platform/async/sleep.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import { streams } from '#platform/nats/streams.ts';
import { chaosRecipe } from './chaos-recipe.ts';
import { thisHost } from './host-fleet.ts';
import { runOnHosts } from './host-run.ts';
import { findStalls } from './stalls.ts';
import { progressTimes } from './stored-recovery.ts';

/** Longer than several tries of a publisher, shorter than the 120 s that a leader waits for its ledger. */
const fullMs = 12_000;
/** Less than any message of ours: the next ones are refused. What lies in a stream already is not dropped by the new bound. */
const leftBytes = 64;

/** Leaves a stream without room; the result gives it the size that it had. */
async function fill({ jsm }: Nats, stream: string): Promise<{ emptyAgain(): Promise<void>; bytes: number }> {
  const { config, state } = await jsm.streams.info(stream);
  await jsm.streams.update(stream, { max_bytes: state.bytes + leftBytes });
  return {
    bytes: state.bytes,
    async emptyAgain() {
      await jsm.streams.update(stream, { max_bytes: config.max_bytes });
    },
  };
}

test('P1, P10: streams of NATS that are full make a run wait; with room again it finishes, and nothing is lost or counts twice', async ({
  signal,
  annotate,
}) => {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-full-'));
  await using nats = await startNatsServer({ storeDirectory: join(directory, 'nats') });
  const options = {
    recipe: chaosRecipe({ seed: 9, stageSteps: 5, turnMs: 60, trainMs: 50, workers: 2, engines: 1 }),
    directory,
    signal,
    runId: 'full',
    natsUrl: nats.url,
    hostOf: () => thisHost,
  };
  const fills: { readonly stream: string; readonly fromMs: number; readonly toMs: number }[] = [];
  const { audit, stored, findings } = await runOnHosts(options, async (live) => {
    for (const [index, stream] of [streams.tasks, streams.results, streams.ledger].entries()) {
      expect(await live.until({ kind: 'batch', step: 3 * index + 2 }, 1, signal)).toBe(true);
      const full = await fill(live.nats, stream);
      const fromMs = Date.now();
      await sleep(fullMs, signal);
      const { state } = await live.nats.jsm.streams.info(stream);
      // A queue of tasks is emptied by who works on them.
      if (stream !== streams.tasks) expect(state.bytes, stream).toBeLessThanOrEqual(full.bytes + leftBytes);
      await full.emptyAgain();
      fills.push({ stream, fromMs, toMs: Date.now() });
    }
  });
  expect(findings, directory).toEqual([]);
  expect(audit.totals).toMatchObject({ lost: 0, duplicated: 0, open: 0, failedInfra: 0 });
  expect(audit.totals.completed).toBe(audit.totals.published);
  const progress = progressTimes(stored);
  for (const { stream, fromMs, toMs } of fills) {
    const next = progress.filter((atMs) => atMs >= toMs).toSorted((a, b) => a - b)[0] ?? Infinity;
    await annotate(`${stream}: full for ${toMs - fromMs} ms, the next progress ${next - toMs} ms after there was room`);
  }
  // While there is no room nothing can go on.
  const excused = fills.map(({ fromMs, toMs }) => [fromMs, toMs] as const);
  expect(findStalls(progress, [], excused).filter(({ stallMs }) => stallMs > 30_000)).toEqual([]);
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
});
