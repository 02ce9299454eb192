import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { writeHotpotqa } from '../fixtures/hotpotqa-rows.ts';
import { jsonLines } from '../fixtures/json-lines.ts';

const root = resolve(import.meta.dirname, '../..');
const model = join(root, 'policies/nano');

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
  await writeFile(join(directory, 'rows.jsonl'), jsonLines(questions));
  await writeFile(join(directory, 'corpus.jsonl'), jsonLines([{ id: 'p0', contents: 'Ann\nAnn founded it.' }]));
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

it('gradus eval reads HotpotQA as it is published', async () => {
  const directory = await workplace();
  const data = await writeHotpotqa(join(directory, 'hotpotqa.json'));
  const { lines, report } = await evaluated(directory, '--data', data, '--format', 'hotpotqa', '--limit', '4');
  expect(lines).toHaveLength(4);
  expect(report).toMatchObject({ rows: 4, by_tag: { 'hops=2': { rows: 4 } } });
});

it('gradus eval reads SimpleQA and MuSiQue as they are published', async () => {
  const corpus = join(root, 'data/musique/corpus.jsonl');
  const directory = await workplace();
  const problems = [
    'Who built the dam of Ilmar?',
    'In which year, by "old" count, did it open?',
    'Who crossed it first?',
  ];
  const rows = problems.map(
    (problem) =>
      `"{'topic': 'Other', 'answer_type': 'Person', 'urls': []}","${problem.replaceAll('"', '""')}",Ann Oru\n`,
  );
  await writeFile(join(directory, 'simple_qa.csv'), `metadata,problem,answer\n${rows.join('')}`);
  const table = ['--data', 'simple_qa.csv', '--format', 'simpleqa'] as const;
  const simple = await evaluated(directory, ...table, '--corpus', corpus);
  expect(simple.report).toMatchObject({
    rows: 3,
    rollouts: { asked: 3 },
    by_tag: { 'topic=other': { rows: 3 }, 'answer_type=person': { rows: 3 } },
  });
  const musique = await evaluated(
    await workplace(),
    '--data',
    join(root, 'data/musique/questions.jsonl'),
    '--format',
    'musique',
    '--corpus',
    corpus,
    '--limit',
    '3',
  );
  expect(musique.report).toMatchObject({ rows: 3, rollouts: { asked: 3 } });
});

it('gradus eval asks Parquet, with a corpus of Parquet, under the names that the command gives the columns', async () => {
  const parquet = join(root, 'tests/fixtures/parquet');
  const { lines, report } = await evaluated(
    await workplace(),
    '--data',
    join(parquet, 'rows-zstd.parquet'),
    '--column',
    'answers=golden_answers',
    '--corpus',
    join(parquet, 'corpus.parquet'),
  );
  expect(report).toMatchObject({ rows: 5, rollouts: { asked: 5, n: 5, absent: 0 } });
  expect(new Set(lines.map(({ id }) => id))).toEqual(new Set(['7', '8', '9', '10', '11']));
});
