import { spawn } from 'node:child_process';
import { Duplex, Readable } from 'node:stream';
import type { Guardian } from '#shared/runtime/guardian.ts';
import { customAbsent, type CustomAbsence } from './custom-absence.ts';
import { createLineSplitter } from './line-splitter.ts';
import { residentBytes } from './resident-memory.ts';
import type { ScorerOutput } from './scorer-output.ts';
import { maxReplyBytes, scorerReply, scorerStart, type ScorerReply } from './scorer-reply.ts';

export interface ProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly memoryMebibytes: number;
  readonly startTimeoutMs: number;
  readonly guardian: Guardian;
  readonly output: ScorerOutput;
}

/** `starting -> idle <-> busy`, and `dead` from each of them. */
export interface ScorerProcess {
  readonly pid: number;
  readonly alive: boolean;
  /**
   * One request at a time, without its id. An absence is the end of the process: it was late, too large, broke the protocol, or ended
   * by itself. Never throws.
   */
  ask(request: object, timeoutMs: number): Promise<ScorerReply | CustomAbsence>;
  /** SIGKILL for its whole process group; resolves when it is gone. */
  kill(): Promise<void>;
}

export type StartedProcess = ScorerProcess | CustomAbsence;

const stopping = customAbsent('unavailable', 'the service stops');
const memoryCheckMs = 50;
/** For the last words of a process that is gone; a grandchild may hold its stderr open. */
const lastWordsMs = 250;

/** Starts a process and waits until it has loaded its scorer; it is killed when `signal` aborts before that. */
export async function startScorerProcess(options: ProcessOptions, signal: AbortSignal): Promise<StartedProcess> {
  // Its own process group: what the scorer starts ends with it.
  const child = spawn(options.command, [...options.args], {
    detached: true,
    env: options.env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const { pid } = child;
  const failedToSpawn = new Promise<Error>((resolve) => child.once('error', resolve));
  if (pid === undefined) {
    return customAbsent('unavailable', `${options.command} cannot be started: ${(await failedToSpawn).message}`);
  }
  options.guardian.watch(pid);
  const channel = child.stdio[3];
  const { stdout, stderr } = child;
  if (!(channel instanceof Duplex) || !(stdout instanceof Readable) || !(stderr instanceof Readable)) {
    throw new TypeError('descriptors 1 to 3 of a scorer are pipes');
  }
  options.output.read('stdout', stdout);
  const lastWords = options.output.read('stderr', stderr);

  const pipes = [channel, stdout, stderr];

  let alive = true;
  /** Why it was killed, when it was we who did it. */
  let verdict: CustomAbsence | undefined;
  /** Takes the next line, or the end. */
  let expecting: ((line: string | CustomAbsence) => void) | undefined;

  function killFor(reason: CustomAbsence): void {
    verdict ??= reason;
    if (alive && pid !== undefined) killGroup(pid);
  }

  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const gone = new Promise<void>((resolve) => {
    child.once('exit', (code, endedBy) => {
      alive = false;
      clearInterval(watch);
      // A process that it left behind.
      killGroup(pid);
      options.guardian.forget(pid);
      const timer = setTimeout(finish, lastWordsMs);
      void closed.then(finish);
      function finish(): void {
        clearTimeout(timer);
        expecting?.(verdict ?? endOf(code, endedBy, lastWords()));
        expecting = undefined;
        for (const pipe of pipes) pipe.destroy();
        resolve();
      }
    });
  });

  function checkMemory(): void {
    if (expecting === undefined) return;
    const bytes = residentBytes(pid ?? 0);
    if (bytes === undefined || bytes <= options.memoryMebibytes * 2 ** 20) return;
    killFor(
      customAbsent(
        'out_of_memory',
        `its process held ${Math.round(bytes / 2 ** 20)} MiB; memoryMebibytes is ${options.memoryMebibytes}`,
      ),
    );
  }
  const watch = setInterval(checkMemory, memoryCheckMs);
  watch.unref();

  channel.on(
    'data',
    createLineSplitter(
      maxReplyBytes,
      (line) => {
        const take = expecting;
        expecting = undefined;
        if (take === undefined) killFor(customAbsent('crashed', 'it wrote to descriptor 3 without being asked'));
        else take(line);
      },
      () => killFor(customAbsent('crashed', `it wrote a line of more than ${maxReplyBytes} bytes to descriptor 3`)),
    ),
  );
  // Writing to a process that is gone; its exit says the rest.
  channel.on('error', () => {});

  /** The next line, or why there is none. */
  async function nextLine(timeoutMs: number, late: string): Promise<string | CustomAbsence> {
    const next = Promise.withResolvers<string | CustomAbsence>();
    expecting = next.resolve;
    const timer = setTimeout(() => killFor(customAbsent('timeout', late)), timeoutMs);
    return await next.promise.finally(() => clearTimeout(timer));
  }

  let requests = 0;
  const scorerProcess: ScorerProcess = {
    pid,
    get alive() {
      return alive && verdict === undefined;
    },
    async ask(request, timeoutMs) {
      requests += 1;
      const id = requests;
      if (!scorerProcess.alive) return verdict ?? customAbsent('crashed', 'its process ended between two rollouts');
      const reply = nextLine(timeoutMs, `no score within ${timeoutMs} ms; its process was killed`);
      channel.write(`${JSON.stringify({ id, ...request })}\n`);
      const line = await reply;
      if (typeof line !== 'string') return line;
      const parsed = scorerReply.safeParse(parseJson(line)).data;
      if (parsed?.id === id && !('outOfMemory' in parsed)) return parsed;
      const end =
        parsed?.id === id
          ? customAbsent('out_of_memory', `it needed more than memoryMebibytes (${options.memoryMebibytes})`)
          : customAbsent('crashed', `it wrote ${JSON.stringify(line.slice(0, 120))} to descriptor 3`);
      killFor(end);
      return end;
    },
    async kill() {
      killFor(stopping);
      await gone;
    },
  };

  const onAbort = (): void => killFor(stopping);
  signal.addEventListener('abort', onAbort, { once: true });
  const line = await nextLine(options.startTimeoutMs, `it was not loaded within ${options.startTimeoutMs} ms`);
  signal.removeEventListener('abort', onAbort);
  if (typeof line !== 'string') return line;
  const started = scorerStart.safeParse(parseJson(line)).data;
  if (started !== undefined && 'ready' in started) return scorerProcess;
  await scorerProcess.kill();
  return customAbsent(
    'unavailable',
    started?.failed ?? `it wrote ${JSON.stringify(line.slice(0, 120))} to descriptor 3`,
  );
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // Gone already: that is what was wanted.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function endOf(code: number | null, signal: NodeJS.Signals | null, lastWords: string): CustomAbsence {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  const said = lastWords.trim() === '' ? '' : `: ${lastWords.trim().slice(-2000)}`;
  const full = /JavaScript heap out of memory|MemoryError/.test(lastWords);
  return customAbsent(full ? 'out_of_memory' : 'crashed', `its process ended with ${how}${said}`);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
