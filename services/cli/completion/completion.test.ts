import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { createProgram } from '../program.ts';
import { keepListedRollouts } from '../rollouts/listed-rollouts.ts';
import { createTerminal } from '../terminal/terminal.ts';
import { candidates } from './candidates.ts';
import { completionScript, shells } from './completion-script.ts';

const program = createProgram(createTerminal(), () => {});

afterEach(() => vi.unstubAllEnvs());

/** What the last word of a line may become, without descriptions. */
async function offered(line: string): Promise<string[]> {
  const { words } = await candidates(program, line.split(' '), AbortSignal.timeout(60_000));
  return words.map((word) => word.split('\t')[0] ?? '');
}

/** By bash itself, which has run our script. */
function byBash(line: string): Promise<string> {
  const words = line.split(' ');
  const script = `${completionScript('bash')}\nCOMP_WORDS=(${['gradus', ...words].map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _gradus; echo "\${COMPREPLY[*]}"`;
  return new Promise((resolve, reject) => {
    execFile('bash', ['-c', script], { cwd: repositoryRoot }, (error, stdout) =>
      error === null ? resolve(stdout.trim()) : reject(error),
    );
  });
}

async function homeOf(...runs: readonly string[]): Promise<string> {
  const home = await temporaryDirectory('gradus-completion-');
  for (const run of runs) {
    await mkdir(join(home, run), { recursive: true });
    await writeFile(
      join(home, run, 'recipe.json'),
      JSON.stringify({ recipe: { stages: [{ name: `${run}-opening` }, { name: 'closing' }] } }),
    );
  }
  return home;
}

test('bash gets commands, options and files from the script', async () => {
  expect(await byBash('re')).toBe('resume restore reward');
  expect(await byBash('run --dr')).toBe('--dry-run');
  expect(await byBash('run recipes/demo.y')).toBe('recipes/demo.yaml');
  expect(await byBash('rollout list --failure=an')).toBe('--failure=any');
});

test('each script has the path of this program, and bash takes no error for an answer', async () => {
  for (const shell of shells)
    expect(completionScript(shell)).toContain(join(repositoryRoot, 'services/cli/bin/gradus'));
  expect(await byBash('serve nothing --')).toBe('');
});

test('commands, options and fixed values are those of the program itself', async () => {
  expect(await offered('rollout ')).toEqual(['list', 'export', 'show', 'replay']);
  expect(await offered('serve re')).toEqual(['retrieval', 'reward']);
  expect(await offered('rollout replay --policy ')).toEqual(['recorded', 'current']);
  expect(await offered('rollout list --sort=wo')).toEqual(['--sort=worst']);
  expect(await offered('rollout list --sort = wo')).toEqual(['worst']);
  expect(await offered('rollout list --failure context')).toEqual(['context_overflow']);
  expect(await offered('rollout list --detector giant')).toEqual(['giant_answer']);
  expect(await offered('resume x --accept-changed data,sc')).toEqual(['data,scorers']);
  expect(await offered('completion ')).toEqual([...shells]);
  expect(await offered('')).not.toContain('complete');
});

test('a run is offered recipes and folders, and hidden files only to a prefix that begins so', async () => {
  const folder = await temporaryDirectory('gradus-completion-');
  for (const name of ['mine.yaml', 'other.yml', 'notes.txt', '.hidden.yaml']) await writeFile(join(folder, name), '');
  await mkdir(join(folder, 'more'));
  expect(await offered(`run ${folder}/`)).toEqual(
    ['mine.yaml', 'more/', 'other.yml'].map((name) => join(folder, name)),
  );
  expect(await offered(`run ${folder}/.h`)).toEqual([join(folder, '.hidden.yaml')]);
  expect(await offered(`index info ${folder}/`)).toEqual([`${folder}/more/`]);
  expect(await offered(`reward score ${folder}/no`)).toEqual([`${folder}/notes.txt`]);
});

test('runs, their stages and the rollouts that were listed last are offered from the home that was named', async () => {
  const home = await homeOf('first', 'second');
  expect(await offered(`resume --home ${home} `)).toEqual(['first', 'second']);
  expect(await offered(`rollout show --home ${home} --run s`)).toEqual(['second']);
  expect(await offered(`rollout list --home=${home} --stage `)).toEqual(['first-opening', 'closing', 'second-opening']);
  expect(await offered(`rollout list --home ${home} --run second --stage `)).toEqual(['second-opening', 'closing']);
  expect(await offered(`rollout show --home ${home} `)).toEqual([]);
  await keepListedRollouts(home, ['3f9a12c08be4', '90b1d2aa07ce']);
  expect(await offered(`rollout show --home ${home} 3f`)).toEqual(['3f9a12c08be4']);
  expect(await offered(`reward explain --home ${home} x --compare 9`)).toEqual(['90b1d2aa07ce']);
});

test('a value with a sign is one word, though bash cuts it into three', async () => {
  expect(await offered('run --set seed = 7 recipes/demo.y')).toEqual(['recipes/demo.yaml']);
  expect(await offered('run --set name = recipes/demo.y')).toEqual([]);
  expect(await offered('eval --column a = b recipes/demo.y')).toEqual(['recipes/demo.yaml']);
  expect(await offered('reward try --option free = 2 package.js')).toEqual(['package.json']);
  expect(await offered('run recipes/demo.yaml --set seed =')).toEqual([]);
  expect(await offered('rollout list --sort =')).toEqual(['newest', 'oldest', 'best', 'worst', 'random']);
});

test('a home and a recipe may be named from ~, which no shell has expanded at a TAB', async () => {
  const home = await homeOf('first');
  vi.stubEnv('HOME', home);
  await writeFile(join(home, 'mine.yaml'), 'seed: 1\n');
  expect(await offered('resume --home ~ ')).toEqual(['first']);
  expect(await offered('rollout list --home ~/ --stage ')).toEqual(['first-opening', 'closing']);
  expect(await offered('run ~/mine.yaml --set se')).toEqual(['seed=']);
});

test('the flags and values of a service are those of its own help, of Python as of TypeScript', async () => {
  expect(await offered('serve retrieval --default-m')).toEqual(['--default-mode']);
  expect(await offered('serve retrieval --default-mode ')).toEqual(['lexical', 'dense', 'hybrid']);
  expect(await offered('serve learner --log-level d')).toEqual(['debug']);
  expect(await offered('mcp --corp')).toEqual(['--corpus']);
});

test('the help of a service that takes too long ends the wait', async () => {
  const aborted = AbortSignal.abort();
  await expect(candidates(program, ['serve', 'retrieval', '--'], aborted)).rejects.toThrow('aborted');
});

test('paths of --set are those of the recipe, stages by name', async () => {
  expect(await offered('run recipes/demo.yaml --set stages.tool-use.until')).toContain('stages.tool-use.until.steps=');
});
