/**
 * A lock on a file that ends with the process that holds it, however that dies: flock(2) on an open file. It works through
 * any path to the file on one kernel, so also between containers that share a volume, where process ids say nothing. On a
 * network file system it is as good as that system's own locks. Decision 62.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { sleep } from '../async/sleep.ts';
import { TerminalError, TransientError, errorFrom } from '../errors.ts';

export interface FileLock {
  /** The open file. A process that inherits it holds the lock as well, until it ends. */
  readonly fd: number;
  /** Lets go of it here; a process that inherited the file still holds it. */
  release(): void;
}

/** Somebody who only asks whether a file is locked holds it for a moment, too. */
const momentMs = 1_500;
const retryMs = 50;
/** The lock program may be ended by others, for memory for example. */
const mostEndings = 5;

/**
 * Locks the file, made if missing, or gives undefined when another process has it. The file is never removed: two processes
 * could otherwise lock two files of one name.
 */
export async function lockFile(
  path: string,
  { waitMs = momentMs, signal }: { readonly waitMs?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<FileLock | undefined> {
  const fd = openSync(path, 'a+');
  const untilMs = performance.now() + waitMs;
  try {
    while (!(await tryLock(path, fd, 'exclusive'))) {
      if (performance.now() >= untilMs) {
        closeSync(fd);
        return undefined;
      }
      await sleep(retryMs, signal);
    }
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
  let held = true;
  return {
    fd,
    release() {
      if (held) closeSync(fd);
      held = false;
    },
  };
}

/** True while any process holds the lock. Makes no file. */
export async function isLocked(path: string): Promise<boolean> {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error.code === 'not_found') return false;
    throw error;
  }
  try {
    return !(await tryLock(path, fd, 'shared'));
  } finally {
    closeSync(fd);
  }
}

type Mode = 'exclusive' | 'shared';

/**
 * Node has no flock, but a lock belongs to the open file and not to the process that asked for it: each of these locks the
 * file that it inherits as descriptor 3, and ends. The first is part of every Linux, the second of macOS.
 * They exit with 0: locked, 1: another process has it, anything else: it cannot be locked.
 */
function lockPrograms(mode: Mode): readonly (readonly [string, readonly string[]])[] {
  const flag = mode === 'exclusive' ? 'LOCK_EX' : 'LOCK_SH';
  return [
    ['flock', [mode === 'exclusive' ? '-x' : '-s', '-n', '3']],
    [
      'perl',
      [
        '-MFcntl=:flock',
        '-MErrno',
        '-e',
        `open(my $f, "<&=", 3) or die $!; exit 0 if flock($f, ${flag} | LOCK_NB); exit 1 if $!{EWOULDBLOCK}; die $!`,
      ],
    ],
    [
      'python3',
      [
        '-c',
        `import fcntl, sys\ntry: fcntl.flock(3, fcntl.${flag} | fcntl.LOCK_NB)\nexcept BlockingIOError: sys.exit(1)\nexcept OSError as error: sys.exit(71)`,
      ],
    ],
  ];
}

async function tryLock(path: string, fd: number, mode: Mode): Promise<boolean> {
  for (const [program, args] of lockPrograms(mode)) {
    const outcome = await runToItsEnd(path, fd, program, args);
    switch (outcome.kind) {
      case 'missing':
        break;
      case 'locked':
        return true;
      case 'taken':
        return false;
      case 'failed':
        throw new TerminalError(
          'failed_precondition',
          `${path} cannot be locked (${program}: ${outcome.message}); its file system has no file locks: use a folder on a local disk`,
        );
    }
  }
  throw new TerminalError(
    'failed_precondition',
    `${path} cannot be locked: none of ${lockPrograms(mode)
      .map(([program]) => program)
      .join(', ')} is on the PATH; install util-linux`,
  );
}

type Outcome = { kind: 'locked' | 'taken' | 'missing' } | { kind: 'failed'; message: string };
type Ended = { kind: 'ended'; signal: NodeJS.Signals };

/** One that a signal ended has said nothing about the file: it is started again. */
async function runToItsEnd(path: string, fd: number, program: string, args: readonly string[]): Promise<Outcome> {
  for (let endings = 1; ; endings++) {
    const outcome = await runOn(fd, program, args);
    if (outcome.kind !== 'ended') return outcome;
    if (endings === mostEndings)
      throw new TransientError(
        'unavailable',
        `${path} could not be locked: ${program} was ended by ${outcome.signal} ${endings} times; ` +
          "look for who ends it ('dmesg' says whether the machine is out of memory), and try again",
      );
    await sleep(retryMs);
  }
}

function runOn(fd: number, program: string, args: readonly string[]): Promise<Outcome | Ended> {
  return new Promise((resolve, reject) => {
    // In a group of its own: Ctrl-C on the terminal is for us.
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe', fd], detached: true });
    child.once('error', (error) => {
      const { code } = errorFrom(error);
      if (code === 'not_found') resolve({ kind: 'missing' });
      else
        reject(
          new TransientError('unavailable', `${program} could not be started: ${error.message}`, { cause: error }),
        );
    });
    const said = saidBy(child);
    child.once('exit', (code, signal) => {
      if (code === 0) resolve({ kind: 'locked' });
      else if (code === 1) resolve({ kind: 'taken' });
      else if (signal !== null) resolve({ kind: 'ended', signal });
      else {
        const failed = (message: string): void =>
          resolve({ kind: 'failed', message: message.trim() || `ended with ${code}` });
        said.then(failed, reject);
      }
    });
  });
}

/** Without a free descriptor the child has no streams, whatever its type says; the error comes as an event. */
function saidBy(child: { readonly stderr?: Readable | null }): Promise<string> {
  return child.stderr === undefined || child.stderr === null ? Promise.resolve('') : text(child.stderr);
}
