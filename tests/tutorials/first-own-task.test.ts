/** Does what docs/tutorials/first-own-task.md says, with its files and its commands, mistakes included. */
import { readFile, symlink, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryRoot } from '../../services/platform/repository.ts';
import { readJson, readJsonLines, startGradus } from '../e2e/gradus-process.ts';
import { docBlocks } from '../fixtures/doc-blocks.ts';
import { undocumentedMetrics } from '../fixtures/documented-metrics.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const pageName = 'tutorials/first-own-task.md';
const blocks = docBlocks(pageName);
const files = ['rows.jsonl', 'quiz.ts', 'brief.py', 'recipe.yaml'];

/** The page's folder, next to the policies of the clone. */
async function quiz(): Promise<string> {
  const clone = await temporaryDirectory('gradus-tutorial-');
  await symlink(join(repositoryRoot, 'policies'), join(clone, 'policies'));
  await mkdir(join(clone, 'quiz'));
  for (const name of files) await writeFile(join(clone, 'quiz', name), blocks.get(name) ?? '');
  return join(clone, 'quiz');
}

/** Puts the page's correction in the place of the line that begins with the same word. */
async function correct(file: string, block: string): Promise<void> {
  const line = (blocks.get(block) ?? '').trimEnd();
  const [start = ''] = line.trim().split(' ');
  const text = await readFile(file, 'utf8');
  const changed = text.split('\n').map((old) => (old.trim().startsWith(start) ? line : old));
  expect(changed).toContain(line);
  await writeFile(file, changed.join('\n'));
}

test('the tutorial on a task of your own goes as it says: nothing to learn, then steps, then a scorer that throws', async () => {
  const page = await readFile(join(repositoryRoot, 'docs', pageName), 'utf8');
  const commands = [...page.matchAll(/^gradus .*$/gm)].map(([command]) => command.split(' ').slice(1));
  const directory = await quiz();
  const say = async (expected: number): Promise<string> => {
    const run = startGradus(directory, ...(commands.shift() ?? []));
    expect(await run.exit(), run.output()).toBe(expected);
    return run.output();
  };
  expect(await say(0)).toContain('4 training questions, 2 held out');
  await say(3);
  const shown = await say(0);
  expect(shown).toContain('</answer>"');
  expect(shown).toMatch(/exact_match 0\.000/);

  await correct(join(directory, 'quiz.ts'), 'fixed');
  await say(0);
  const summary = await readJson(join(directory, 'runs/second/summary.json'));
  expect(summary).toMatchObject({ state: 'finished', policy: 'scripted', stages: [{ steps: 3 }] });
  const lines = await readJsonLines(join(directory, 'runs/second/metrics.jsonl'));
  const keys = lines.flatMap((line) => Object.keys(line as object));
  expect(undocumentedMetrics(keys, ['brief', 'unaided'])).toEqual([]);
  expect(await say(0)).toMatch(/^sum: 1 x exact_match \d/m);

  const failed = await say(3);
  expect(failed).toContain("'NoneType' object has no attribute 'split'");
  expect(failed).toContain("'gradus resume third --accept-changed scorers'");
  await correct(join(directory, 'brief.py'), 'corrected');
  await say(3);
  expect(await readJson(join(directory, 'runs/third/summary.json'))).toMatchObject({ rollouts: { failedUserCode: 0 } });
  expect(commands).toEqual([]);
}, 600_000);
