import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { readStoredRun } from '../chaos/stored-run.ts';
import { fleetServices, readJsonLines, startGradus, until } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const root = resolve(import.meta.dirname, '../..');

async function workplace(): Promise<string> {
  const directory = await temporaryDirectory('gradus-judged-e2e-');
  const recipe = await readFile(join(root, 'tests/e2e/judged.yaml'), 'utf8');
  await writeFile(join(directory, 'judged.yaml'), recipe.replace('POLICY', join(root, 'policies/nano')));
  return directory;
}

test('P1, P2: groups are closed with what the judge said, in the right order, though the judge is killed on the way', async () => {
  const directory = await workplace();
  const home = join(directory, 'runs');
  const run = startGradus(directory, 'run', 'judged.yaml', '--run-id', 'compared');
  await run.says(/compare: step 1\/4/);
  const judgePid = async () => (await fleetServices(home)).find(({ label }) => label === 'judge-main')?.pid ?? 0;
  const killed = await judgePid();
  process.kill(killed, 'SIGKILL');
  await until(
    async () => (await judgePid()) !== killed,
    60_000,
    () => `the judge was not started again: ${run.output()}`,
  );
  expect(await run.exit()).toBe(0);

  const { entries, results } = await readStoredRun(home, 'compared', new AbortController().signal);
  const emOf = new Map(results.map(({ value }) => [value.taskId, value.components['exact_match'] ?? NaN]));
  const closed = entries.flatMap(({ value: { fact } }) => (fact.case === 'groupClosed' ? [fact.value] : []));
  const compared = closed.filter(({ judged }) => judged['preferred'] !== undefined);
  const kept = compared.filter(({ fate }) => fate === GroupFate.KEPT);
  expect(kept).toHaveLength(4 * 3);
  for (const { samples } of compared) {
    const scores = samples.map(({ components }) => components['preferred'] ?? NaN);
    expect(samples.map(({ reward }) => reward)).toEqual(scores);
    // Bradley-Terry's mean over a group.
    expect(scores.reduce((sum, score) => sum + score, 0) / samples.length).toBeCloseTo(0.5, 6);
    for (const [index, { taskId }] of samples.entries()) {
      for (const [other, { taskId: otherId }] of samples.entries()) {
        if ((emOf.get(taskId) ?? NaN) > (emOf.get(otherId) ?? NaN)) {
          expect(scores[index]).toBeGreaterThan(scores[other] ?? NaN);
        }
      }
    }
  }
  const steps = (await readJsonLines(join(home, 'compared/metrics.jsonl'))).filter(({ kind }) => kind === 'step');
  expect(steps.map((step) => step['reward/preferred'])).toEqual(steps.map(() => expect.closeTo(0.5, 6)));
});
