/** Tables of results pages; that the pages have them is checked by scripts/check. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { exampleSummary } from '../../services/cli/run/summary-under-test.ts';

const script = join(import.meta.dirname, '../../scripts/results-tables.ts');

async function climbOf(summary: object): Promise<string> {
  const directory = await temporaryDirectory('gradus-tables-');
  await writeFile(join(directory, 'summary.json'), JSON.stringify(summary));
  const { stdout } = await promisify(execFile)(process.execPath, [script, 'climb', directory]);
  return stdout.split('\n')[2] ?? '';
}

test('a run is named by an absolute path too, and has no points without an evaluation at its end', async () => {
  const summary = exampleSummary();
  expect(await climbOf(summary)).toBe(
    '| 1 | 50.0 (43.0..57.0) | 51.0 (44.0..57.8) | +1.0 | 29.0 (23.0..35.7) | 40.0 (33.4..46.9) | +11.0 | 200 | 656 | 0 | 0 |',
  );
  const stages = summary.stages.map((stage) => ({ ...stage, evalDetail: { before: stage.evalDetail.before } }));
  expect(await climbOf({ ...summary, stages })).toBe(
    '| 1 | 50.0 (43.0..57.0) | - | - | 29.0 (23.0..35.7) | - | - | - | 656 | 0 | 0 |',
  );
});
