import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { sleep } from '#platform/async/sleep.ts';
import { TerminalError, cancelledFrom } from '#platform/errors.ts';
import type { ServerHost, StartedServer } from './engine-kind.ts';

export interface ServerProgram {
  /** For logs and messages: `vllm`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** On top of the sidecar's own variables, of which settings of Gradus stay behind. */
  readonly env: NodeJS.ProcessEnv;
  readonly baseUrl: string;
  /** Answers 2xx once the server can be asked. */
  readonly healthPath: string;
}

const pollMs = 500;
const progressMs = 10_000;
const graceMs = 5_000;
/** For the last words of a server that is gone. */
const lastWordsMs = 1_000;
const tailCharacters = 4_000;
const shownLines = 8;

/**
 * Starts a server in a process group of its own and waits until it answers: its own output tells how far it is, and `host.signal`
 * ends the wait. The guardian ends the group when this process is gone.
 */
export async function startServerProgram(program: ServerProgram, host: ServerHost): Promise<StartedServer> {
  const { name, baseUrl } = program;
  const { log, guardian, signal } = host;
  const child = spawn(program.command, [...program.args], {
    detached: true,
    env: { ...othersOf(host.variables), ...program.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let tail = '';
  for (const pipe of [child.stdout, child.stderr]) {
    pipe.on('data', (chunk: Buffer) => (tail = (tail + chunk.toString('utf8')).slice(-tailCharacters)));
    pipe.on('error', () => {});
  }
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  let hasEnded = false;
  const end = (how: string): void => {
    hasEnded = true;
    if (child.pid !== undefined) guardian.forget(child.pid);
    resolve(`${how}${lastLines(tail)}`);
  };
  child.once('error', (error) => end(`it cannot be started: ${error.message}`));
  const closed = once(child, 'close').catch(() => undefined);
  child.once('exit', (code, by) => {
    // What it started may outlive it, and hold its output open.
    kill('SIGKILL');
    const how = by === null ? `it ended with exit code ${code}` : `it was ended by ${by}`;
    void Promise.race([closed, sleep(lastWordsMs)]).then(() => end(how));
  });
  if (child.pid !== undefined) guardian.watch(child.pid);

  const kill = (by: NodeJS.Signals): void => {
    if (hasEnded || child.pid === undefined) return;
    try {
      process.kill(-child.pid, by);
    } catch (error) {
      // Gone already, which is what was wanted.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  };
  async function stop(within = graceMs): Promise<void> {
    kill('SIGTERM');
    await Promise.race([ended, sleep(within)]);
    // Also what it started and left behind.
    kill('SIGKILL');
    await ended;
  }

  log.info({ engine: name, command: [program.command, ...program.args].join(' '), pid: child.pid }, 'a server starts');
  const startedMs = performance.now();
  let saidMs = startedMs;
  for (;;) {
    const isUp = await answers(`${baseUrl}${program.healthPath}`, signal);
    if (signal.aborted) {
      await stop();
      throw cancelledFrom(signal.reason);
    }
    if (hasEnded)
      throw new TerminalError('failed_precondition', `${name} did not start: ${await ended}`, { details: { name } });
    // What answers after its end is another program, which took the port.
    if (isUp) break;
    if (performance.now() - saidMs >= progressMs) {
      saidMs = performance.now();
      const seconds = Math.round((saidMs - startedMs) / 1000);
      log.info({ engine: name, seconds, last: lastLines(tail, 1).trim() }, 'a server is still starting');
    }
    await Promise.race([ended, sleep(pollMs, signal).catch(() => undefined)]);
  }
  log.info({ engine: name, seconds: Math.round((performance.now() - startedMs) / 1000), baseUrl }, 'a server is up');
  return { baseUrl, ended, stop };
}

function othersOf(variables: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(variables).filter(([key]) => !key.startsWith('GRADUS_')));
}

async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    // Not there yet; whether it ever will be is seen by its end.
    return false;
  }
}

function lastLines(tail: string, count = shownLines): string {
  const lines = tail.split('\n').filter((line) => line.trim() !== '');
  return lines.length === 0
    ? ''
    : `\n${lines
        .slice(-count)
        .map((line) => `  ${line.slice(-400)}`)
        .join('\n')}`;
}

/** As requests name the model of a server that is started here. */
export const servedName = 'policy';

/** A port of loopback that nobody had a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new TerminalError('internal', 'no port of loopback');
  return address.port;
}
