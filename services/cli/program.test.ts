import { existsSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { createProgram } from './program.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { exampleSummary } from './run/summary-under-test.ts';
import { createTerminal } from './terminal/terminal.ts';

import { gradus, temporary } from './program-under-test.ts';

/** One folder each, but for the engine, which shares the learner's. */
async function servicesInTheRepository(): Promise<readonly string[]> {
  const root = join(repositoryRoot, 'services');
  const folders = await readdir(root);
  const services = folders.filter(
    (name) => name === 'learner' || ['main.ts', 'service.ts'].every((file) => existsSync(join(root, name, file))),
  );
  const scripted = await readdir(join(root, 'scripted'), { withFileTypes: true });
  const played = scripted.filter((entry) => entry.isDirectory()).map(({ name }) => `scripted-${name}`);
  return [...services, ...played, 'engine'].toSorted();
}

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
  for (const run of ['a-damaged', 'b-sound', 'c-begun', 'd-killed', 'e-older']) {
    await mkdir(join(home, run));
    await writeFile(join(home, run, 'recipe.json'), '{}');
  }
  const write = (run: string, file: string, content: string) => writeFile(join(home, run, file), content);
  await write('a-damaged', 'summary.json', '{"run":');
  await write('b-sound', 'summary.json', JSON.stringify(exampleSummary()));
  // Killed in its 14th step: its summary is from the start, and the last line of its metrics is half written.
  await write('d-killed', 'summary.json', JSON.stringify({ ...exampleSummary(), state: 'running', stages: [] }));
  const step = (number: number): string => JSON.stringify({ kind: 'step', stage: 'tool-use', step: number });
  await write('d-killed', 'metrics.jsonl', `${step(12)}\n${step(13)}\n{"kind":"eval","step":13}\n{"kind":"st`);
  await write('e-older', 'summary.json', '{"run":"e-older","state":"finished"}');
  const reported = await gradus('status', '--home', home);
  expect(reported.code).toBe(2);
  expect(reported.out).toContain('run b-sound: stage 1, 2 steps, 2:01 min, finished');
  expect(reported.out).toContain(
    `run c-begun: interrupted, no step is safe yet; gradus resume c-begun --home ${home} continues it`,
  );
  expect(reported.out).toContain(
    `run d-killed: interrupted, 13 steps safe, the last in stage tool-use; gradus resume d-killed --home ${home} continues it`,
  );
  expect(reported.out).toContain(
    `run a-damaged: cannot be read: ${join(home, 'a-damaged/summary.json')}: is not JSON; remove it`,
  );
  expect(reported.out).toMatch(/run e-older: cannot be read: .*e-older\/summary\.json: \w+: /);
  const json = await gradus('status', '--home', home, '--json');
  expect(json.code).toBe(2);
  expect(JSON.parse(json.out)).toMatchObject({
    resting: [
      { run: 'b-sound', state: 'finished', safe_steps: 2 },
      { run: 'c-begun', state: 'interrupted', safe_steps: 0 },
      { run: 'd-killed', state: 'interrupted', safe_steps: 13 },
    ],
    unreadable: [{ run: 'a-damaged', reason: expect.stringContaining('is not JSON') }, { run: 'e-older' }],
  });
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

test('what was typed reaches the terminal as escapes, in the words of the command line too', async () => {
  const typed = 'ru\u001b]0;title\u0007\u009b2J\r+ forged';
  for (const args of [[typed], ['run', typed], ['rollout', 'show', typed, '--home', typed], ['serve', typed]]) {
    const { code, out, err } = await gradus(...args);
    expect(code).not.toBe(0);
    expect(out + err).toContain(String.raw`\u001b]0;title\u0007`);
    expect(out + err).not.toMatch(/[\r\u001b\u0007\u009b]/);
  }
});
