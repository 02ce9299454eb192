import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runChaos } from './chaos-run.ts';

test('P1, P2, P5, P8: a run under kills and freezes of every process has the accounting of a run left alone', async ({
  signal,
}) => {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-chaos-'));
  const said: string[] = [];
  const report = await runChaos({
    seed: 3,
    faults: 14,
    only: undefined,
    directory,
    longestFreezeMs: 6_000,
    signal,
    say: (line) => said.push(line),
  });
  // Kept when something is wrong: the logs say what.
  expect(report.findings, `${directory}\n${said.join('\n')}`).toEqual([]);
  expect(report.faults).toHaveLength(14);
  expect(new Set(report.faults.map(({ action }) => action))).toEqual(new Set(['kill', 'freeze']));
  expect(report.audit.totals).toMatchObject({ lost: 0, duplicated: 0, open: 0, failedInfra: 0 });
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
});
