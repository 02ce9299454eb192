import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runChaos } from './chaos-run.ts';

test('P1, P2, P5, P8, P10: a run under faults of every process has the accounting of a run left alone, and never stands still', async ({
  signal,
}) => {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-chaos-'));
  const said: string[] = [];
  const report = await runChaos({
    seed: 3,
    faults: 14,
    only: undefined,
    // What needs minutes, or a disk of its own, is left to `make chaos`.
    without: new Set(['full-disk', 'stale-state', 'kill-in-stop', 'kill-in-start', 'stop']),
    directory,
    longestFreezeMs: 6_000,
    longestStallMs: 30_000,
    signal,
    say: (line) => said.push(line),
  });
  const [run] = report.runs;
  // Kept when something is wrong: the logs say what.
  expect(report.findings.join('\n'), `${directory}\n${said.join('\n')}\n`).toBe('');
  expect(run?.faults).toHaveLength(14);
  expect(run?.audit.totals).toMatchObject({ lost: 0, duplicated: 0, open: 0, failedInfra: 0 });
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
});
