import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { TransientError, cancelledFrom, throwIfCancelled } from '#platform/errors.ts';
import type { GradusError } from '#platform/errors.ts';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { sleep } from '#platform/async/sleep.ts';
import type { Guardian } from '#platform/runtime/guardian.ts';
import { startLaterExitCode } from '#platform/runtime/lifecycle.ts';
import { lastTroubles } from './log-tail.ts';

/** What a service prints once it serves. Other keys are addresses too. */
const readySchema = z
  .object({
    service: z.string(),
    grpc: z.string().optional(),
    http: z.string().optional(),
    metrics: z.string().optional(),
    nats: z.string().optional(),
  })
  .loose();
export type Ready = z.infer<typeof readySchema>;

export interface ChildOptions {
  /** For messages: `engine-1`. */
  readonly label: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  readonly readyTimeoutMs: number;
  readonly guardian: Guardian;
  readonly signal: AbortSignal;
}

/** What was killed is gone at once, unless the kernel waits with it for a disk or a device. */
export const killedWithinMs = 10_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Which of several processes it was. */
  readonly of?: string;
}

export interface ChildService {
  readonly pid: number;
  readonly ready: Ready;
  readonly exited: Promise<Exit>;
  /** SIGTERM, then SIGKILL after `graceMs`. Resolves when the process is gone, or 10 s after a SIGKILL that it does not obey. */
  stop(graceMs: number): Promise<void>;
  /** SIGKILL at once: a process that is stopped or stuck takes no SIGTERM. Nothing is signalled once it has ended. */
  kill(): void;
}

/**
 * Starts one service and waits for its ready line. Its log goes straight to the file, so it survives us.
 * Throws TransientError with the service's own last words when it exits or stays silent.
 */
export async function startChildService(options: ChildOptions): Promise<ChildService> {
  const { label, guardian, logFile } = options;
  throwIfCancelled(options.signal);
  const log = openSync(logFile, 'a');
  // Its own process group: Ctrl-C on the terminal reaches only us, and we decide the order of the end.
  const child = spawn(options.command, [...options.args], {
    detached: true,
    env: options.env,
    stdio: ['ignore', 'pipe', log],
  });
  closeSync(log);
  const { pid, stdout } = child;
  let hasExited = false;
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }));
    child.once('exit', (code, signal) => {
      hasExited = true;
      if (pid !== undefined) guardian.forget(pid);
      resolve({ code, signal });
    });
  });
  if (pid === undefined || stdout === null)
    throw new TransientError('unavailable', `${label}: ${options.command} could not be started`, {
      details: { lasting: true },
    });
  guardian.watch(pid);

  /** The id of a process that ended long ago may be that of somebody else's group. */
  const signal = (name: NodeJS.Signals): void => {
    if (!hasExited) signalGroup(pid, name);
  };
  const kill = (): void => signal('SIGKILL');
  const stop = async (graceMs: number): Promise<void> => {
    signal('SIGTERM');
    if (await endsWithin(exited, graceMs)) return;
    kill();
    await endsWithin(exited, killedWithinMs);
  };

  type First = { kind: 'ready'; ready: Ready } | { kind: 'exit'; exit: Exit } | { kind: 'expired' };
  const readyLine = new Promise<First>((resolve) => {
    const lines = createInterface({ input: stdout });
    lines.on('line', (line) => {
      const ready = parseReadyLine(line);
      if (ready !== undefined) resolve({ kind: 'ready', ready });
    });
  });
  using deadline = deadlineSignal(options.signal, options.readyTimeoutMs, `the start of ${label}`);
  const expired = new Promise<First>((resolve) => {
    if (deadline.signal.aborted) resolve({ kind: 'expired' });
    deadline.signal.addEventListener('abort', () => resolve({ kind: 'expired' }), { once: true });
  });
  const first = await Promise.race([readyLine, exited.then((exit): First => ({ kind: 'exit', exit })), expired]);
  switch (first.kind) {
    case 'ready':
      return { pid, ready: first.ready, exited, stop, kill };
    case 'exit':
      throw await startFailure(
        `${label} did not start (${describeExit(first.exit)})`,
        logFile,
        first.exit.signal === null && first.exit.code !== startLaterExitCode,
      );
    case 'expired':
      await stop(2_000);
      if (options.signal.aborted) throw cancelledFrom(options.signal.reason);
      throw await startFailure(
        `${label} did not say that it serves within ${options.readyTimeoutMs / 1000} s`,
        logFile,
        true,
      );
  }
}

export function parseReadyLine(line: string): Ready | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return readySchema.parse(JSON.parse(line));
  } catch {
    // Some other output of the program; the ready line has yet to come.
    return undefined;
  }
}

/** Whether a process has ended by then. */
export async function endsWithin(exited: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const over = new AbortController();
  const late = sleep(milliseconds, over.signal).then(
    () => false,
    () => false,
  );
  const hasEnded = await Promise.race([exited.then(() => true), late]);
  over.abort();
  return hasEnded;
}

export function describeExit(exit: Exit): string {
  if (exit.of !== undefined) return `${exit.of}: ${describeExit({ code: exit.code, signal: exit.signal })}`;
  if (exit.signal !== null) return `ended by ${exit.signal}`;
  return exit.code === null ? 'could not be started' : `exit code ${exit.code}`;
}

/** To a process and what it started: each service leads a group of its own. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // Gone already: that is what was wanted.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** `lasting`: the service ended by itself and did not say that it could start later, or never came to serve. */
async function startFailure(what: string, logFile: string, lasting: boolean): Promise<TransientError> {
  const troubles = await lastTroubles(logFile, 3);
  return new TransientError(
    'unavailable',
    [`${what}; its log is ${logFile}`, ...troubles.map((line) => `  ${line}`)].join('\n'),
    { details: { lasting } },
  );
}

/** False when a first start failed for a reason that another try would meet again: a bad setting, a missing file. */
export function mayStartLater(error: GradusError): boolean {
  return error instanceof TransientError && error.details['lasting'] !== true;
}
