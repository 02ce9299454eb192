import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { sleep } from '#platform/async/sleep.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { createContainedGroup } from './containment.ts';
import { createProcessOutput } from './process-output.ts';
import type { UserCodeHost } from './user-code-host.ts';

export interface ProgramOptions {
  /** Program and arguments; a relative program that holds `/` is sought in `directory`, another one in PATH. */
  readonly command: readonly [string, ...string[]];
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  readonly memoryMebibytes: number;
  /** What its lines are logged with, under `message`. */
  readonly name: Readonly<Record<string, string>>;
  readonly message: string;
}

export interface ProgramEnd {
  /** `it ended with exit code 1`, or the limit that it went over. */
  readonly how: string;
  /** Undefined where a signal or a limit ended it. */
  readonly exitCode: number | undefined;
  /** One that ended it; undefined where that was ours, since a limit was passed. */
  readonly signal: NodeJS.Signals | undefined;
  /** The end of what it wrote to stderr. */
  readonly lastWords: string;
}

/** A program of the user's in a process group of its own: its memory, its processes and its end hold for all that it starts. */
export interface ContainedProgram {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** SIGKILL for it and all that it started. */
  kill(): void;
  /** Resolves when it is gone with all that it started. */
  readonly ended: Promise<ProgramEnd>;
}

const boundsCheckMs = 250;
/** For the last words of a process that is gone; a grandchild may hold its stderr open. */
const lastWordsMs = 250;

/** Throws `TransientError` where the system cannot start it, and an `Error` where there is no such program. */
export async function startProgram(options: ProgramOptions, host: UserCodeHost): Promise<ContainedProgram> {
  const [command, ...args] = options.command;
  const group = createContainedGroup(host.containment, {
    command: findProgram(command, options.directory, options.env['PATH']),
    args,
    env: options.env,
    memoryMebibytes: options.memoryMebibytes,
  });
  // Its own process group, for the guardian.
  const child = spawn(group.command, [...group.args], { detached: true, cwd: options.directory, env: group.env });
  const failed = new Promise<Error>((done) => child.once('error', done));
  const { pid } = child;
  if (pid === undefined) {
    await group.dispose();
    throw new TransientError('unavailable', `its process cannot be started: ${(await failed).message}`);
  }
  host.guardian.watch(pid);
  const lastWords = createProcessOutput(host.log, options.name, options.message).read('stderr', child.stderr);
  for (const pipe of [child.stdin, child.stdout]) pipe.on('error', () => {});
  let alive = true;
  const kill = (): void => {
    // Later its id may be another's.
    if (alive) group.kill(pid);
  };
  let excess: string | undefined;
  const lookForExcess = (): void => {
    excess ??= group.excess(pid)?.detail.replace('memoryMebibytes', 'memory_mebibytes');
  };
  const watch = setInterval(() => {
    lookForExcess();
    if (excess !== undefined) kill();
  }, boundsCheckMs);
  watch.unref();
  const closed = new Promise<void>((done) => child.once('close', () => done()));
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((done) =>
    child.once('exit', (code, signal) => done({ code, signal })),
  );

  async function end(): Promise<ProgramEnd> {
    const { code, signal } = await exited;
    clearInterval(watch);
    lookForExcess();
    // Processes that it left behind.
    kill();
    alive = false;
    host.guardian.forget(child.pid ?? 0);
    await Promise.race([closed, sleep(lastWordsMs)]);
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
    await group.dispose();
    return {
      how: excess ?? (signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`),
      exitCode: excess === undefined && code !== null ? code : undefined,
      signal: excess === undefined && signal !== null ? signal : undefined,
      lastWords: lastWords().trim().slice(-2000),
    };
  }

  return { stdin: child.stdin, stdout: child.stdout, kill, ended: end() };
}

/** Absolute. Looked for here, since what starts it in a namespace would report a missing one as its own failure. Throws an `Error` naming where. */
export function findProgram(command: string, directory: string, path = '/usr/bin:/bin'): string {
  const isPath = command.includes('/');
  const candidates = isPath
    ? [isAbsolute(command) ? command : resolve(directory, command)]
    : path.split(delimiter).map((folder) => join(folder, command));
  const found = candidates.find(isProgram);
  if (found !== undefined) return found;
  throw new Error(`there is no program '${command}' ${isPath ? `at ${candidates.join('')}` : `in PATH (${path})`}`);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch (thrown) {
    if (errorFrom(thrown).code === 'internal') throw thrown;
    return false;
  }
}
