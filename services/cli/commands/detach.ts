import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '#platform/async/sleep.ts';
import { TerminalError } from '#platform/errors.ts';
import { isReadable } from '../run/is-readable.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface DetachOptions {
  /** Of `gradus`, without the id of the run. */
  readonly args: readonly string[];
  readonly home: string;
  readonly runId: string;
}

/** The line of `gradus run` after which the run is the coordinator's. */
const startedLine = /^(?:started|queued) run /m;

/**
 * Goes on with a run in a process of its own, which no terminal ends, and waits until it has started or failed to. Its output goes to HOME/RUN.log. Gives the
 * exit code: that of the process where it ended.
 */
export async function detach({ args, home, runId }: DetachOptions, terminal: Terminal): Promise<number> {
  const log = join(home, `${runId}.log`);
  if (await isReadable(log))
    throw new TerminalError('already_exists', `${log} is there already; choose another --run-id, or remove it`);
  await mkdir(home, { recursive: true });
  await using file = await open(log, 'wx');
  const program = process.argv[1] ?? '';
  const child = spawn(process.execPath, [...process.execArgv, program, ...args, '--run-id', runId], {
    detached: true,
    stdio: ['ignore', file.fd, file.fd],
  });
  await once(child, 'spawn');
  /** The exit code once it has ended. */
  const ended = (): number | undefined => child.exitCode ?? (child.signalCode === null ? undefined : 1);
  // Until it has started, Ctrl-C means the run: it would go on unseen.
  const stop = (): void => void child.kill('SIGTERM');
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, stop);
  terminal.err(`starting run ${runId} in process ${child.pid ?? 0}; its output goes to ${log}`);
  while (ended() === undefined && !startedLine.test(await readFile(log, 'utf8'))) await sleep(100);
  for (const name of signals) process.off(name, stop);
  const code = ended();
  if (code !== undefined) {
    const text = await readFile(log, 'utf8');
    terminal.err(text.trimEnd().split('\n'));
    // Nothing has begun: the corrected command may have the same id.
    if (!startedLine.test(text)) await rm(log);
    return code;
  }
  child.unref();
  terminal.out(
    `run ${runId} goes on without this terminal; 'gradus watch ${runId}' follows it, 'gradus logs ${runId} --follow' prints its events, 'gradus stop ${runId}' stops it`,
  );
  return 0;
}
