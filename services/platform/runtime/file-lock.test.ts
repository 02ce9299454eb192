import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { isLocked, lockFile } from './file-lock.ts';

const newFolder = () => mkdtemp(join(tmpdir(), 'gradus-lock-'));

/** Takes the lock, says whether it could, and waits to be ended. */
const holder = `
  import { lockFile } from '${new URL('./file-lock.ts', import.meta.url).href}';
  const lock = await lockFile(process.argv[1], { waitMs: Number(process.argv[2]) });
  console.log(lock === undefined ? 'taken' : 'locked');
  setInterval(() => {}, 1000);
`;

async function startHolder(path: string, waitMs = 0, env = process.env) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', holder, path, `${waitMs}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { process: child, said: String(line) };
}

test('a lock ends when its holder is killed with SIGKILL, and not before', async () => {
  const path = join(await newFolder(), 'a.lock');
  const first = await startHolder(path);
  expect(first.said).toBe('locked');
  expect(await isLocked(path)).toBe(true);
  expect(await lockFile(path, { waitMs: 0 })).toBeUndefined();
  first.process.kill('SIGKILL');
  await once(first.process, 'exit');
  expect(await isLocked(path)).toBe(false);
  const lock = await lockFile(path);
  expect(lock).toBeDefined();
  lock?.release();
});

test('of several that ask at the same moment one gets the lock', async () => {
  const path = join(await newFolder(), 'a.lock');
  const holders = await Promise.all(Array.from({ length: 6 }, () => startHolder(path)));
  expect(holders.map(({ said }) => said).toSorted()).toEqual(['locked', 'taken', 'taken', 'taken', 'taken', 'taken']);
});

test('questions whether a file is locked keep nobody from locking it', async () => {
  const path = join(await newFolder(), 'a.lock');
  const done = new AbortController();
  const asks = (async () => {
    while (!done.signal.aborted) await isLocked(path);
  })();
  for (let each = 0; each < 10; each++) {
    const lock = await lockFile(path, { waitMs: 60_000 });
    expect(lock).toBeDefined();
    lock?.release();
  }
  done.abort();
  await asks;
});

test('a released lock stays with a process that inherited the file until that ends', async () => {
  const path = join(await newFolder(), 'a.lock');
  const lock = await lockFile(path);
  if (lock === undefined) throw new Error('not locked');
  const heir = spawn('sleep', ['600'], { stdio: ['ignore', 'ignore', 'ignore', lock.fd] });
  onTestFinished(() => void heir.kill('SIGKILL'));
  lock.release();
  expect(await isLocked(path)).toBe(true);
  heir.kill('SIGKILL');
  await once(heir, 'exit');
  expect(await isLocked(path)).toBe(false);
});

test('children that inherit nothing do not keep a lock', async () => {
  const path = join(await newFolder(), 'a.lock');
  const lock = await lockFile(path);
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  lock?.release();
  expect(await isLocked(path)).toBe(false);
});

test('a path longer than an address of a socket can be is locked like any other', async () => {
  const folder = join(await newFolder(), 'a'.repeat(120), 'b'.repeat(120));
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'a.lock');
  const lock = await lockFile(path);
  expect(await isLocked(path)).toBe(true);
  lock?.release();
});

test('to ask makes no file', async () => {
  const path = join(await newFolder(), 'a.lock');
  expect(await isLocked(path)).toBe(false);
  await expect(access(path)).rejects.toThrow('ENOENT');
});

test.each(['perl', 'python3'])('where there is no flock program, %s locks', async (program) => {
  const folder = await newFolder();
  const path = join(folder, 'a.lock');
  const found = await which(program);
  if (found === undefined) return;
  // A PATH with nothing else.
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await symlink(found, join(bin, program));
  const env = { ...process.env, PATH: bin };
  const first = await startHolder(path, 0, env);
  const second = await startHolder(path, 0, env);
  expect([first.said, second.said]).toEqual(['locked', 'taken']);
  // One lock, whichever program asks for it.
  expect(await isLocked(path)).toBe(true);
  first.process.kill('SIGKILL');
  await once(first.process, 'exit');
  expect(await isLocked(path)).toBe(false);
});

test('a file that cannot be locked is named, with what to do', async () => {
  const folder = await newFolder();
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'flock'), '#!/bin/sh\necho "flock: 3: No locks available" >&2\nexit 65\n', { mode: 0o755 });
  const script = `
    import { lockFile } from '${new URL('./file-lock.ts', import.meta.url).href}';
    await lockFile(process.argv[1]).catch((error) => console.log(error.message));
  `;
  const path = join(folder, 'a.lock');
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PATH: bin },
  });
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  expect(line).toBe(
    `${path} cannot be locked (flock: flock: 3: No locks available); its file system has no file locks: use a folder on a local disk`,
  );
  expect(await readFile(path, 'utf8')).toBe('');
});

/** A flock program that first runs `before`. */
async function lockThrough(before: string, path: string): Promise<string> {
  const bin = join(await newFolder(), 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'flock'), `#!/bin/sh\n${before}\nexec ${await which('flock')} "$@"\n`, { mode: 0o755 });
  const script = `
    import { lockFile } from '${new URL('./file-lock.ts', import.meta.url).href}';
    await lockFile(process.argv[1]).then((lock) => console.log(lock && 'locked'), (error) => console.log(error.message));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` },
  });
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return String(line);
}

test('P10: a lock program that a signal ends is started again; one that is ended each time is not a matter of the file system', async () => {
  const folder = await newFolder();
  const path = join(folder, 'a.lock');
  const endsOnce = `[ -e ${folder}/ended ] || { touch ${folder}/ended; kill -KILL $$; }`;
  expect(await lockThrough(endsOnce, path)).toBe('locked');
  expect(await lockThrough('kill -KILL $$', path)).toMatch(
    /a\.lock could not be locked: flock was ended by SIGKILL 5 times; .* try again$/,
  );
});

test('Ctrl-C on the terminal does not reach the lock program: it leads a group of its own', async () => {
  const folder = await newFolder();
  const path = join(folder, 'a.lock');
  expect(await lockThrough(`[ "$(ps -o pgid= -p $$ | tr -d ' ')" = $$ ] || exit 65`, path)).toBe('locked');
});

test('P10: without a free descriptor a lock is an error that passes, and a guardian is started later', async () => {
  const path = join(await newFolder(), 'a.lock');
  const script = `
    import { closeSync, openSync } from 'node:fs';
    import { lockFile } from '${new URL('./file-lock.ts', import.meta.url).href}';
    import { startGuardian } from '${new URL('./guardian.ts', import.meta.url).href}';
    console.log('begun');
    const open = [];
    try { for (;;) open.push(openSync('/dev/null')); } catch {}
    // One for the file.
    closeSync(open.pop());
    const error = await lockFile(process.argv[1]).catch((thrown) => thrown);
    const guardian = startGuardian();
    for (const fd of open) closeSync(fd);
    while (guardian.pid === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
    guardian.release();
    console.log(error.name + ' ' + error.message);
  `;
  const child = spawn(
    '/bin/sh',
    ['-c', 'ulimit -n 256; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script, path],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const [code] = await once(child, 'close');
  expect([code, lines]).toEqual([
    0,
    ['begun', expect.stringMatching(/^TransientError flock could not be started: .*EMFILE/)],
  ]);
});

/** pyenv's shims are scripts that need a PATH: the real program is wanted. */
async function which(program: string): Promise<string | undefined> {
  for (const folder of ['/usr/bin', '/usr/local/bin', '/bin']) {
    const candidate = join(folder, program);
    if (
      await access(candidate).then(
        () => true,
        () => false,
      )
    )
      return candidate;
  }
  return undefined;
}
