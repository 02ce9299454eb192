import { existsSync } from 'node:fs';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, open, mkdir, mkdtemp, readFile, readdir, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { createProgram } from './program.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { exampleSummary } from './run/example-summary.ts';
import { createTerminal } from './terminal/terminal.ts';

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The program as people start it. */
function gradus(...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      join(repositoryRoot, 'services/cli/bin/gradus'),
      args,
      { cwd: repositoryRoot },
      (_error, out, err) => {
        resolve({ code: child.exitCode ?? -1, out, err });
      },
    );
  });
}

/** One folder each, but for the engine, which shares the learner's. */
async function servicesInTheRepository(): Promise<readonly string[]> {
  const root = join(repositoryRoot, 'services');
  const folders = await readdir(root);
  const services = folders.filter(
    (name) => name === 'learner' || (name !== 'cli' && existsSync(join(root, name, 'main.ts'))),
  );
  const scripted = await readdir(join(root, 'scripted'), { withFileTypes: true });
  const played = scripted.filter((entry) => entry.isDirectory()).map(({ name }) => `scripted-${name}`);
  return [...services, ...played, 'engine'].toSorted();
}

const temporary = () => mkdtemp(join(tmpdir(), 'gradus-cli-'));

test('an unknown command is answered with the one that was meant, and exit code 2', async () => {
  const { code, err } = await gradus('rnu');
  expect(code).toBe(2);
  expect(err).toContain("unknown command 'rnu'");
  expect(err).toContain('Did you mean run?');
});

test('an unknown option and an unknown service are answered with what was meant', async () => {
  expect((await gradus('run', 'x.yaml', '--run-i', '1')).err).toContain('Did you mean --run-id?');
  const service = await gradus('serve', 'retreival');
  expect(service).toMatchObject({ code: 2 });
  expect(service.err).toContain('did you mean retrieval?');
});

test('help exits with 0 and explains the exit codes', async () => {
  const { code, out } = await gradus('--help');
  expect(code).toBe(0);
  expect(out).toContain('130  stopped by Ctrl-C');
});

test('help before the name of a service is of serve, after it of the service', async () => {
  const own = await gradus('serve', '--help');
  expect(own).toMatchObject({ code: 0 });
  const listed = /one of ([a-z, -]+?) flags /.exec(own.out.replaceAll(/\s+/g, ' '))?.[1];
  expect(listed?.split(', ').toSorted()).toEqual(await servicesInTheRepository());
  for (const [service, flag] of [
    ['retrieval', '--corpus'],
    ['engine', '--max-context'],
  ] as const) {
    const { code, out } = await gradus('serve', service, '--help');
    expect(code, service).toBe(0);
    expect(out, service).toContain(flag);
  }
});

test('a recipe that does not exist is one sentence that names it', async () => {
  const { code, err } = await gradus('run', 'nowhere.yaml', '--dry-run');
  expect(code).toBe(2);
  expect(err.trim()).toBe(
    'gradus: recipe nowhere.yaml cannot be read; give the path of a YAML file, for example recipes/demo.yaml',
  );
});

test('a wrong key in a recipe is printed with its line, path and the key that was meant', async () => {
  const file = join(await temporary(), 'recipe.yaml');
  const demo = await readFile(join(repositoryRoot, 'recipes/demo.yaml'), 'utf8');
  await writeFile(file, demo.replace('environment: { name: search', 'environment: { nam: search'));
  const { code, err } = await gradus('run', file, '--dry-run');
  expect(code).toBe(2);
  expect(err).toMatch(new RegExp(`${file}:\\d+: environment.nam: unknown key; did you mean name\\?`));
});

test('errors are JSON on stdout when JSON is asked for', async () => {
  const { code, out } = await gradus('run', 'nowhere.yaml', '--dry-run', '--json');
  expect(code).toBe(2);
  expect(JSON.parse(out)).toMatchObject({ error: { code: 'invalid_argument' } });
});

test('values of a recipe are replaced from the command line, and a path that is none is refused with what was meant', async () => {
  const set = (...settings: readonly string[]) => settings.flatMap((setting) => ['--set', setting]);
  const { code, out } = await gradus(
    'run',
    'recipes/demo.yaml',
    '--dry-run',
    '--json',
    ...set('stages.0.until.steps=3', 'stages.1.batch={ groups: 2, group_size: 4 }'),
  );
  expect(code).toBe(0);
  expect(JSON.parse(out).stages).toMatchObject([{ steps: 3 }, { groups: 2, groupSize: 4 }, {}]);
  const refused = await gradus('run', 'recipes/demo.yaml', '--dry-run', '--json', ...set('stages.0.until.step=3'));
  expect(JSON.parse(refused.out).error.message).toContain('unknown key; did you mean steps?');
  expect(refused.code).toBe(2);
});

test('every recipe in the repository passes a dry run', async () => {
  for (const name of ['demo', 'musique-nano', 'jan-nano']) {
    const { code, out } = await gradus('run', `recipes/${name}.yaml`, '--dry-run', '--json');
    expect(code, name).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ recipe: name, stages: [{}, {}, {}] });
  }
});

test('a dry run reads the rows of a recipe, counts them, and names file and line of one that no scorer can read', async () => {
  const folder = await temporary();
  const recipe = join(folder, 'choice.yaml');
  const rows = join(folder, 'rows.jsonl');
  const demo = await readFile(join(repositoryRoot, 'recipes/demo.yaml'), 'utf8');
  await writeFile(
    recipe,
    demo
      .replace('../policies', join(repositoryRoot, 'policies'))
      .replace(/world: \{[^}]*\}/, 'rows: { train: rows.jsonl, held_out: 1, corpus: rows.jsonl }')
      .replaceAll(/ *prompts: .*\n/g, '')
      .replaceAll(/exact_match: [\d.]+/g, 'exact_match: 0, choice: { weight: 1, options: 4 }'),
  );
  const row = (id: string, answer: unknown) => JSON.stringify({ id, question: 'Which? A) x B) y', answer, level: 3 });
  await writeFile(rows, `${row('1', 'A')}\n${row('2', 'B')}\n${row('3', 'x')}\n`);
  const { code, out, err } = await gradus('run', recipe, '--dry-run', '--json');
  expect(code, err).toBe(0);
  expect(JSON.parse(out).notes).toEqual([
    `${rows}: keys that are not read: level`,
    'data.rows: 2 training questions, 1 held out',
  ]);
  await writeFile(
    recipe,
    (await readFile(recipe, 'utf8')).replace('until:', 'prompts: { where: { hpos: [2] } }\n    until:'),
  );
  const tagless = await gradus('run', recipe, '--dry-run', '--json');
  expect(tagless.code, tagless.err).toBe(2);
  expect(JSON.parse(tagless.out).problems).toEqual([
    expect.stringMatching(
      /prompts\.where \{"hpos":\[2\]\} leaves none of the 3 rows; no row has a tag hpos: rows have no tags$/,
    ),
  ]);
  await writeFile(rows, `${row('1', 'A')}\n${row('2', ' ')}\n`);
  const refused = await gradus('run', recipe, '--dry-run');
  expect(refused.code).toBe(2);
  expect(refused.err).toContain(`${rows}:2: answer: " " is blank; fill it in, or remove the row`);
});

test('a world is written where asked', async () => {
  const out = join(await temporary(), 'world');
  const { code } = await gradus('world', '--seed', '5', '--train', '50', '--held-out', '20', '--out', out);
  expect(code).toBe(0);
  expect((await readFile(join(out, 'train.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(50);
  expect((await readFile(join(out, 'held_out.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(20);
});

test('numbers and run ids are checked before anything starts', async () => {
  expect((await gradus('world', '--seed', '1.5', '--out', 'x')).err).toContain(
    'It must be a whole number of at least 0.',
  );
  expect((await gradus('run', 'x.yaml', '--run-id', 'Not OK')).err).toContain('It must be 1 to 64 of a-z, 0-9 and -.');
});

test('resuming and stopping what is not there says so', async () => {
  const home = await temporary();
  const resume = await gradus('resume', 'demo', '--home', home);
  expect(resume).toMatchObject({ code: 2 });
  expect(resume.err).toContain(`there is no run 'demo' in ${home}; there are no runs`);
  expect((await gradus('stop', '--home', home)).err).toContain(`no fleet runs in ${home}; nothing to stop`);
  expect((await gradus('status', '--home', home)).out).toContain(`no fleet runs in ${home}`);
});

test('P9: one run that cannot be read is named with the reason, and hides no other', async () => {
  const home = await temporary();
  for (const run of ['a-damaged', 'b-sound', 'c-begun']) {
    await mkdir(join(home, run));
    await writeFile(join(home, run, 'recipe.json'), '{}');
  }
  await writeFile(join(home, 'a-damaged', 'summary.json'), '{"run":');
  await writeFile(join(home, 'b-sound', 'summary.json'), JSON.stringify(exampleSummary()));
  const told = await gradus('status', '--home', home);
  expect(told.code).toBe(2);
  expect(told.out).toContain('run b-sound: stage 1, 2 steps, 2:01 min, finished');
  expect(told.out).toContain('run c-begun: not finished; gradus resume c-begun continues it');
  expect(told.out).toContain(
    `run a-damaged: cannot be read: ${join(home, 'a-damaged/summary.json')}: is no JSON; remove it`,
  );
  const json = await gradus('status', '--home', home, '--json');
  expect(json.code).toBe(2);
  expect(JSON.parse(json.out)).toMatchObject({
    resting: ['b-sound', 'c-begun'],
    unreadable: [{ run: 'a-damaged', reason: expect.stringContaining('is no JSON') }],
  });
});

test('the completion of bash proposes commands, options and files where they belong', async () => {
  const { out } = await gradus('completion', 'bash');
  const complete = (line: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const words = line.split(' ');
      const script = `${out}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _gradus; echo "\${COMPREPLY[*]}"`;
      execFile('bash', ['-c', script], { cwd: repositoryRoot }, (error, stdout) =>
        error === null ? resolve(stdout.trim()) : reject(error),
      );
    });
  expect(await complete('gradus re')).toBe('resume reward');
  expect(await complete('gradus rollout ')).toBe('show replay');
  expect((await complete('gradus serve re')).split(' ')).toEqual(['retrieval', 'reward']);
  expect(await complete('gradus run --dr')).toBe('--dry-run');
  expect(await complete('gradus run READ')).toBe('README.md');
});

test('the scripts for zsh and fish name every command', async () => {
  for (const shell of ['zsh', 'fish']) {
    const { out } = await gradus('completion', shell);
    for (const command of ['up', 'run', 'resume', 'status', 'stop', 'rollout', 'serve', 'world', 'data']) {
      expect(out, shell).toMatch(new RegExp(`\\b${command}\\b`));
    }
  }
});

test('reward score writes a line per row, all or nothing to a file, and ends by 2 at a malformed row', async () => {
  const folder = await temporary();
  const rows = join(folder, 'in.jsonl');
  const out = join(folder, 'out.jsonl');
  const row = { id: 'a', prediction: 'Paris', answers: ['Paris'] };
  await writeFile(rows, `${JSON.stringify(row)}\n${JSON.stringify({ ...row, id: 'b', prediction: null })}\n`);
  const done = await gradus('reward', 'score', '--metric', 'musique', rows);
  expect(done).toMatchObject({
    code: 0,
    out: '{"id":"a","exact_match":1,"f1":1}\n{"id":"b","exact_match":0,"f1":0}\n',
  });
  expect(done.err).toContain('2 rows by musique: exact_match 0.5000, f1 0.5000');
  expect(await gradus('reward', 'score', '--metric', 'squad', rows, '--out', out)).toMatchObject({ code: 0, out: '' });
  expect(await readFile(out, 'utf8')).toBe('{"id":"a","exact_match":1,"f1":1}\n{"id":"b","exact_match":0,"f1":0}\n');

  await writeFile(rows, `${JSON.stringify(row)}\n{"id": "b"}\n`);
  const stopped = await gradus('reward', 'score', '--metric', 'squad', rows, '--out', join(folder, 'none.jsonl'));
  expect(stopped.code).toBe(2);
  expect(stopped.err).toContain('in.jsonl:2: answers: is missing');
  expect((await readdir(folder)).toSorted()).toEqual(['in.jsonl', 'out.jsonl']);
});

test('an output on a full disk is one sentence, without a stack', async () => {
  const full = await open('/dev/full', 'w');
  const child = spawn(join(repositoryRoot, 'services/cli/bin/gradus'), ['completion', 'bash'], {
    cwd: repositoryRoot,
    stdio: ['ignore', full.fd, 'pipe'],
  });
  const exited = once(child, 'exit');
  const said = child.stderr === null ? '' : await text(child.stderr);
  expect(await exited).toEqual([4, null]);
  await full.close();
  expect(said).toMatch(/^gradus: standard output cannot be written: ENOSPC: [^\n]*\n$/);
});

test('commands about a home keep what they write to its owner, others leave it to the umask', async () => {
  const out = await temporary();
  const lines: (string | readonly string[])[] = [];
  const terminal = { ...createTerminal(), out: (given: string | readonly string[]) => void lines.push(given) };
  const run = async (...args: readonly string[]) =>
    await createProgram(terminal, () => {}).parseAsync(['node', 'gradus', ...args]);
  const before = process.umask(0o022);
  try {
    await run('world', '--train', '5', '--held-out', '5', '--out', join(out, 'world'));
    for (const name of await readdir(join(out, 'world')))
      expect((await stat(join(out, 'world', name))).mode & 0o777).toBe(0o644);
    await run('status', '--home', out);
    expect(process.umask()).toBe(0o077);
  } finally {
    process.umask(before);
  }
  expect(lines.length).toBeGreaterThan(0);
});

test('a dry run says which weights were cut and which file of lines ends within one', async () => {
  const folder = await temporary();
  await cp(join(repositoryRoot, 'policies/nano'), join(folder, 'model'), { recursive: true });
  const weights = join(folder, 'model/model.safetensors');
  await truncate(weights, (await stat(weights)).size - 1);
  for (const name of ['train', 'held_out']) await writeFile(join(folder, `${name}.jsonl`), '{"id": 1}\n');
  await writeFile(join(folder, 'corpus.jsonl'), '{"id": 1}\n{"id": 2, "te');
  const demo = await readFile(join(repositoryRoot, 'recipes/demo.yaml'), 'utf8');
  await writeFile(
    join(folder, 'r.yaml'),
    demo
      .replace('../policies/nano', 'model')
      .replace(/world: \{[^}]*\}/, 'files: { train: train.jsonl, held_out: held_out.jsonl, corpus: corpus.jsonl }'),
  );
  const { code, out, err } = await gradus('run', join(folder, 'r.yaml'), '--dry-run', '--json');
  expect(code, err).toBe(2);
  expect(JSON.parse(out).problems).toEqual([
    expect.stringMatching(/^model\.path: .*model\.safetensors: has \d+ bytes, .*; it was cut: copy it anew$/),
    expect.stringMatching(/^data: .*corpus\.jsonl: its last line: not valid JSON/),
  ]);
});

test('what was typed reaches the terminal as escapes, in the words of the command line too', async () => {
  const typed = 'ru\u001b]0;title\u0007\u009b2J\r+ forged';
  for (const args of [[typed], ['run', typed], ['rollout', 'show', typed, '--home', typed], ['serve', typed]]) {
    const { code, out, err } = await gradus(...args);
    expect(code).not.toBe(0);
    expect(out + err).toContain(String.raw`\u001b]0;title\u0007`);
    expect(out + err).not.toMatch(/[\r\u001b\u0007\u009b]/);
  }
});

test('a recipe that is not UTF-8 is refused by its name', async () => {
  const recipe = join(await temporary(), 'r.yaml');
  await writeFile(recipe, Buffer.from('name: são', 'latin1'));
  const { code, err } = await gradus('run', recipe, '--dry-run');
  expect(code).toBe(2);
  expect(err).toBe(`gradus: ${recipe}: not valid UTF-8; save the file as UTF-8\n`);
});
