import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

export interface GradusProcess {
  readonly process: ChildProcess;
  /** stdout and stderr so far, in the order they came. */
  output(): string;
  /** Resolves once the output matches. */
  says(pattern: RegExp, timeoutMs?: number): Promise<void>;
  exit(timeoutMs?: number): Promise<number | NodeJS.Signals>;
}

/** `gradus …` as a person starts it, in `directory`; ended with the test whatever happens. */
export function startGradus(directory: string, ...args: readonly string[]): GradusProcess {
  return startGradusBy([], directory, ...args);
}

/** The same, started by another program, for example `unshare`; that one is ended with the test. */
export function startGradusBy(
  starter: readonly string[],
  directory: string,
  ...args: readonly string[]
): GradusProcess {
  return startProgram([...starter, join(root, 'services/cli/bin/gradus'), ...args], directory);
}

/** Any other program with its arguments, and variables in addition to those of this process. */
export function startProgram(
  words: readonly string[],
  directory: string,
  env: Readonly<Record<string, string>> = {},
): GradusProcess {
  const [program = '', ...args] = words;
  const child = spawn(program, args, {
    cwd: directory,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let ended: number | NodeJS.Signals | undefined;
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (text += data.toString()));
  child.once('exit', (code, signal) => (ended = code ?? signal ?? -1));
  // SIGKILL: the guardian then ends the fleet, which is part of what is tested.
  onTestFinished(() => void child.kill('SIGKILL'));
  const shown = () => `${words.join(' ')} has said:\n${text}`;
  return {
    process: child,
    output: () => text,
    says: (pattern, timeoutMs = 300_000) =>
      until(
        () => pattern.test(text),
        timeoutMs,
        () => {
          if (ended !== undefined && !pattern.test(text))
            throw new Error(`ended with ${ended} before ${pattern}; ${shown()}`);
          return `${pattern} was not said; ${shown()}`;
        },
      ),
    async exit(timeoutMs = 850_000) {
      await until(
        () => ended !== undefined,
        timeoutMs,
        () => `it still runs; ${shown()}`,
      );
      return ended ?? -1;
    },
  };
}

/** Polls with a deadline. `why` is asked while waiting and may throw to give up early. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  why: () => string,
): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    const reason = why();
    if (performance.now() > untilMs) throw new Error(`not within ${timeoutMs} ms: ${reason}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** A folder with tiny.yaml, a scorer of which its rewards vary, and a model of random weights next to it. */
export async function tinyWorkplace(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-e2e-'));
  const tiny = await readFile(join(root, 'tests/e2e/tiny.yaml'), 'utf8');
  const rewarded = tiny.replaceAll('format: 0.25', 'format: 0.25, odd: 0.25');
  await writeFile(join(directory, 'tiny.yaml'), `${rewarded}scorers: { odd: { kind: typescript, path: odd.ts } }\n`);
  await cp(join(root, 'tests/e2e/odd.ts'), join(directory, 'odd.ts'));
  await mkdir(join(directory, 'model'));
  await run(
    join(root, '.venv/bin/python'),
    [join(root, 'tests/fixtures/tiny-model/build.py'), join(directory, 'model')],
    {
      env: { ...process.env, PYTHONPATH: `${root}/services/learner:${root}/proto/gen/python`, OMP_NUM_THREADS: '1' },
    },
  );
  return directory;
}

export interface FleetService {
  readonly label: string;
  readonly pid: number;
}

/** What fleet.json says runs in a home. */
export async function fleetServices(home: string): Promise<readonly FleetService[]> {
  const file: { services: FleetService[] } = JSON.parse(await readFile(join(home, 'fleet.json'), 'utf8'));
  return file.services;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // No such process.
    return false;
  }
}

export async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, 'utf8'));
}

export async function readJsonLines(path: string): Promise<readonly Record<string, unknown>[]> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  return lines.map((line): Record<string, unknown> => JSON.parse(line));
}
