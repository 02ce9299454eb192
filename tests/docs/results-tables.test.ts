/** Tables of results pages, and that pages have those that their summaries give. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { exampleSummary } from '../../services/cli/run/summary-under-test.ts';

const script = join(import.meta.dirname, '../../scripts/results-tables.ts');

async function rowsOf(table: string, ...summaries: readonly object[]): Promise<string[]> {
  const directories = summaries.map(async (summary) => {
    const directory = await temporaryDirectory('gradus-tables-');
    await writeFile(join(directory, 'summary.json'), JSON.stringify(summary));
    return directory;
  });
  const words = [script, table, ...(await Promise.all(directories))];
  const { stdout } = await promisify(execFile)(process.execPath, words);
  return stdout.trimEnd().split('\n').slice(2);
}
const climbOf = async (summary: object): Promise<string> => (await rowsOf('climb', summary))[0] ?? '';

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

test('every page has the tables that the committed summaries give', async () => {
  const { stderr } = await promisify(execFile)(process.execPath, [script, '--check']);
  expect(stderr).toBe('');
});

/** The example with an evaluation at its end. */
function runWith(greedy: number, paired?: object): object {
  const summary = exampleSummary();
  const [stage] = summary.stages;
  const scores = { ...stage?.evalDetail.after.greedy, metrics: { exact_match: greedy, tool_success: 0.9 } };
  const end = { ...stage, name: 'trained', kind: 'eval', steps: 0, evalDetail: { after: { greedy: scores } }, paired };
  return { ...summary, stages: [...summary.stages, end] };
}

test('evaluations that are stages are listed, with what chance says of them', async () => {
  const paired = { against: 'untrained', better: 190, worse: 5, p: 9.1e-50 };
  expect(await rowsOf('asked', runWith(0.66, paired))).toEqual([
    '| 1 | trained | greedy | 66.0 (44.0..57.8) |  | 90.0 | 200 | untrained: 190 better, 5 worse, p 9.1e-50 |',
  ]);
});

test('evaluations of several seeds have their mean, and the lowest and highest', async () => {
  const [evaluation] = await rowsOf('seeds', runWith(0.66), runWith(0.6), runWith(0.72));
  expect(evaluation).toBe('| trained | greedy | 66.0 | 60.0 | 72.0 | 66.0 (60.0..72.0) |  | 90.0 |');
});
