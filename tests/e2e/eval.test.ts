import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const root = resolve(import.meta.dirname, '../..');
const model = join(root, 'policies/nano');
const shared = resolve(root, '../shared/data');

async function workplace(): Promise<string> {
  const directory = await temporaryDirectory('gradus-eval-');
  return directory;
}

async function evaluated(directory: string, ...args: readonly string[]) {
  const run = startGradus(directory, 'eval', '--model', model, '--out', 'out', ...args);
  expect(await run.exit(), run.output()).toBe(0);
  return {
    output: run.output(),
    lines: await readJsonLines(join(directory, 'out/predictions.jsonl')),
    report: await readJson(join(directory, 'out/summary.json')),
  };
}

it('gradus eval asks every row of a file of a model directory, and starts no learner', async () => {
  const directory = await workplace();
  const questions = Array.from({ length: 3 }, (_, index) => ({
    id: `q${index}`,
    question: `Who founded ${index}?`,
    answer: 'Ann',
  }));
  const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  await writeFile(join(directory, 'rows.jsonl'), lines(questions));
  await writeFile(join(directory, 'corpus.jsonl'), lines([{ id: 'p0', contents: 'Ann\nAnn founded it.' }]));
  const {
    output,
    lines: predictions,
    report,
  } = await evaluated(directory, '--data', 'rows.jsonl', '--corpus', 'corpus.jsonl', '--samples', '2');
  expect(output).not.toContain('learner');
  expect(output).toContain('6 of 6 rollouts came back, 0 absent');
  expect(new Set(predictions.map(({ id }) => id))).toEqual(new Set(['q0', 'q1', 'q2']));
  expect(report).toMatchObject({ rows: 3, rollouts: { asked: 6, n: 6, absent: 0 }, absences: {} });

  const again = ['--data', 'rows.jsonl', '--corpus', 'corpus.jsonl'] as const;
  const reported = await evaluated(directory, ...again, '--samples', '2');
  expect(reported.output).toContain('is finished; this is its report');
  expect(reported.report).toEqual(report);
  // P9: other settings are not passed over.
  const other = startGradus(directory, 'eval', '--model', model, '--out', 'out', ...again, '--samples', '3');
  expect(await other.exit()).toBe(2);
  expect(other.output()).toContain(
    '--out out: holds an evaluation with other settings (there -> now): stages[0].samples: 2 -> 3',
  );
  const absent = startGradus(directory, 'eval', '--model', 'absent', '--out', 'none', ...again);
  expect(await absent.exit()).toBe(2);
  expect(existsSync(join(directory, 'none'))).toBe(false);
});

it.skipIf(!existsSync(shared))('gradus eval reads HotpotQA as it is published', async () => {
  const { lines, report } = await evaluated(
    await workplace(),
    '--data',
    join(shared, 'hotpotqa/hotpotqa_train_sample.json'),
    '--format',
    'hotpotqa',
    '--limit',
    '4',
  );
  expect(lines).toHaveLength(4);
  expect(report).toMatchObject({ rows: 4, by_tag: { 'hops=2': { rows: 4 } } });
});

it.skipIf(!existsSync(shared))('gradus eval reads SimpleQA and MuSiQue as they are published', async () => {
  const corpus = join(shared, 'musique/corpus.jsonl');
  const simple = await evaluated(
    await workplace(),
    '--data',
    join(shared, 'simpleqa/simple_qa_sample.csv'),
    '--format',
    'simpleqa',
    '--corpus',
    corpus,
    '--limit',
    '3',
  );
  expect(simple.report).toMatchObject({ rows: 3, rollouts: { asked: 3 } });
  const musique = await evaluated(
    await workplace(),
    '--data',
    join(shared, 'musique/musique_ans_train_sample.jsonl'),
    '--format',
    'musique',
    '--corpus',
    corpus,
    '--limit',
    '3',
  );
  expect(musique.report).toMatchObject({ rows: 3, rollouts: { asked: 3 } });
});
