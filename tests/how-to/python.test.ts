import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { python, openPython } from '#environments/python/index.ts';
import { pythonOptions } from '#environments/python/options.ts';
import { findContainment } from '#user-code/containment.ts';
import { environmentProblems } from '../../services/cli/run/environment-problems.ts';
import { loadRecipe } from '../../services/cli/run/prepare-inputs.ts';
import { userFolder } from '../../services/environments/python/files-under-test.ts';
import { docBlocks } from '../fixtures/doc-blocks.ts';
import { silentLog } from '../platform/fixtures.ts';

const page = 'how-to/own-environment-python.md';
const blocks = docBlocks(page);
const io = { signal: new AbortController().signal, seed: 7n, toolTimeoutMs: 600_000 };

function written() {
  const folder = userFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const paths = new Map([...blocks].map(([name, text]) => [name, folder.write(name, text)]));
  return { folder, recipe: paths.get('recipe.yaml') ?? '' };
}

test('the page on environments in Python: its file plays its rows as its recipe says', async () => {
  const { recipe: file } = written();
  const { recipe } = await loadRecipe(file);
  expect(await environmentProblems({ file, recipe }, process.env)).toEqual([]);
  const options = pythonOptions.parse(recipe.environment.options);
  const environment = await openPython(
    { ...options, path: join(dirname(file), options.path) },
    {
      log: silentLog,
      guardian: { watch() {}, forget() {}, release() {} },
      containment: await findContainment(),
      variables: process.env,
    },
  );
  onTestFinished(async () => await environment.close?.());
  const rows = (blocks.get('rows.jsonl') ?? '').trim().split('\n');
  const [row] = rows.map((line) => JSON.parse(line) as { id: string; data: object; tags: Record<string, string> });
  if (row === undefined) throw new Error(`${page} has no rows`);
  const data = python.row.data.parse(row.data) as Record<string, unknown>;
  const episode = await environment.start({ ...row, data }, io);
  expect(episode.prompt()).toBe('A number from 0 to 9. ');
  expect(await episode.step({ index: 0, text: '3.' }, io)).toMatchObject({ kind: 'continue', text: ' more: ' });
  expect(await episode.step({ index: 1, text: '5.' }, io)).toMatchObject({
    kind: 'done',
    rewards: { environment_reward: 0.5 },
    metrics: { tries: 2 },
    prediction: '5',
  });
});

test('a package that is missing is reported before a run, by the name of the file', async () => {
  const { folder, recipe: file } = written();
  folder.write('guess.py', `import no_such_package\n${blocks.get('guess.py')}`);
  const { recipe } = await loadRecipe(file);
  expect(await environmentProblems({ file, recipe }, process.env)).toEqual([
    expect.stringMatching(
      /^environment: environment python: .*guess\.py cannot be used: .*No module named 'no_such_package'/s,
    ),
  ]);
});

test('the options for verifiers are sound', () => {
  const { environment } = parse(blocks.get('verifiers.yaml') ?? '') as { environment: { options: unknown } };
  expect(pythonOptions.parse(environment.options)).toMatchObject({ load_environment: true });
});
