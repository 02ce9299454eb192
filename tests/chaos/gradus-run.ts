import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

const program = resolve(import.meta.dirname, '../../services/cli/bin/gradus');

/** `gradus` in a process of its own. Disposing kills it; its guardian then ends the whole fleet. */
export interface GradusRun extends AsyncDisposable {
  readonly pid: number;
  readonly logFile: string;
  /** Exit code or the name of a signal; undefined while it runs. */
  readonly exit: string | undefined;
  readonly exited: Promise<string>;
  /** What it wrote last, for a message. */
  readonly lastWords: string;
}

const keptCharacters = 600;

export async function startGradusRun(directory: string, ...args: readonly string[]): Promise<GradusRun> {
  const logFile = join(directory, 'gradus.log');
  await mkdir(dirname(logFile), { recursive: true });
  const log = createWriteStream(logFile, { flags: 'a' });
  const child = spawn(program, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  let lastWords = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.pipe(log, { end: false });
    stream.on('data', (data: Buffer) => (lastWords = (lastWords + data.toString()).slice(-keptCharacters)));
  }
  let exit: string | undefined;
  const exited = new Promise<string>((done) => {
    child.once('error', (error) => done(error.message));
    child.once('exit', (code, signal) => done(signal ?? String(code)));
  }).then((how) => (exit = how));
  return {
    pid: child.pid ?? 0,
    logFile,
    get exit() {
      return exit;
    },
    exited,
    get lastWords() {
      return lastWords.trim();
    },
    async [Symbol.asyncDispose]() {
      if (exit === undefined) child.kill('SIGKILL');
      await exited;
      log.end();
    },
  };
}
