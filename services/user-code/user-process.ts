import { spawn } from 'node:child_process';
import { Duplex, Readable } from 'node:stream';
import { z } from 'zod';
import { errorFrom } from '#platform/errors.ts';
import type { Guardian } from '#platform/runtime/guardian.ts';
import { createContainedGroup } from './containment.ts';
import type { ContainedGroup, Containment, GroupCommand } from './containment.ts';
import { createLineSplitter } from './line-splitter.ts';
import type { ProcessOutput } from './process-output.ts';

export interface UserProcessOptions<Reply> extends GroupCommand {
  readonly containment: Containment;
  readonly startTimeoutMs: number;
  readonly guardian: Guardian;
  readonly output: ProcessOutput;
  /** What it may reply, its `id` included. */
  readonly reply: z.ZodType<Reply>;
  /** What it is asked for, for messages: `no score within 100 ms`. */
  readonly awaited: string;
  readonly maxReplyBytes: number;
}

/** Why a process ended, or never was. Of these only `unavailable` is not a fault of the user's code. */
export interface ProcessEnd {
  readonly kind: 'absent';
  readonly reason: 'timeout' | 'crashed' | 'out_of_memory' | 'unavailable';
  /** For people. */
  readonly detail: string;
}

/**
 * A process of users' code: lines of JSON on descriptor 3.
 *
 *     process            service
 *     {ready: true}   ->
 *     {failed: TEXT}  ->              and the process ends
 *                     <- {id, ...}
 *     {id, ...}       ->              as the schema of its replies says, or {id, outOfMemory: true}
 *
 * `starting -> idle <-> busy`, and `dead` from each of them. A program that takes one request at a time is asked one at a time; replies of
 * others come in any order.
 */
export interface UserProcess<Reply> {
  readonly pid: number;
  readonly alive: boolean;
  /**
   * The request without its id. An absence is the end of the process: it was late, too large, broke the protocol, or ended by itself.
   * Never throws.
   */
  ask(request: object, timeoutMs: number): Promise<Reply | ProcessEnd>;
  /** SIGKILL for it and all that it started; resolves when it is gone. */
  kill(): Promise<void>;
}

const startLine = z.union([z.object({ ready: z.literal(true) }), z.object({ failed: z.string() })]);
const replyLine = z.looseObject({ id: z.int() });
const outOfMemory = z.object({ id: z.int(), outOfMemory: z.literal(true) });

const stopping = ended('unavailable', 'the service stops');
const boundsCheckMs = 50;
/** For the last words of a process that is gone; a grandchild may hold its stderr open. */
const lastWordsMs = 250;

/** Starts a process and waits until it has loaded the user's file; it is killed when `signal` aborts before that. */
export async function startUserProcess<Reply extends { readonly id: number }>(
  options: UserProcessOptions<Reply>,
  signal: AbortSignal,
): Promise<UserProcess<Reply> | ProcessEnd> {
  const { maxReplyBytes, awaited } = options;
  let group: ContainedGroup;
  try {
    group = createContainedGroup(options.containment, options);
  } catch (thrown) {
    return ended('unavailable', `its control group cannot be made: ${errorFrom(thrown).message}`);
  }
  // Its own process group, for the guardian.
  const child = spawn(group.command, [...group.args], {
    detached: true,
    env: group.env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const { pid } = child;
  const failedToSpawn = new Promise<Error>((resolve) => child.once('error', resolve));
  if (pid === undefined) {
    await group.dispose();
    return ended('unavailable', `${options.command} cannot be started: ${(await failedToSpawn).message}`);
  }
  options.guardian.watch(pid);
  const channel = child.stdio[3];
  const { stdout, stderr } = child;
  if (!(channel instanceof Duplex) || !(stdout instanceof Readable) || !(stderr instanceof Readable)) {
    throw new TypeError("descriptors 1 to 3 of users' processes are pipes");
  }
  options.output.read('stdout', stdout);
  const lastWords = options.output.read('stderr', stderr);

  const pipes = [channel, stdout, stderr];

  let alive = true;
  /** Why it was killed, when it was we who did it. */
  let verdict: ProcessEnd | undefined;
  /** Takes the line that says whether the file was loaded, or the end. */
  let starting: ((line: string | ProcessEnd) => void) | undefined;
  /** By the id of their request. */
  const asked = new Map<number, (line: string | ProcessEnd) => void>();
  /** Of the request that was late: it hears of the end before the others, which only lost their process. */
  let late: ((line: string | ProcessEnd) => void) | undefined;

  function killFor(reason: ProcessEnd): void {
    verdict ??= reason;
    if (alive && pid !== undefined) group.kill(pid);
  }

  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const gone = new Promise<void>((resolve) => {
    child.once('exit', (code, endedBy) => {
      alive = false;
      clearInterval(watch);
      verdict ??= excessOf(pid);
      // Processes that it left behind.
      group.kill(pid);
      options.guardian.forget(pid);
      const timer = setTimeout(finish, lastWordsMs);
      void closed.then(finish);
      function finish(): void {
        clearTimeout(timer);
        const end = verdict ?? endOf(code, endedBy, lastWords());
        starting?.(end);
        late?.(end);
        for (const take of asked.values()) take(end);
        for (const pipe of pipes) pipe.destroy();
        void group.dispose().then(resolve);
      }
    });
  });

  function excessOf(ofPid: number): ProcessEnd | undefined {
    const excess = group.excess(ofPid);
    if (excess === undefined) return undefined;
    return ended(excess.what === 'memory' ? 'out_of_memory' : 'crashed', excess.detail);
  }

  /** Between two requests too: what it started goes on. */
  function checkBounds(): void {
    const excess = pid === undefined ? undefined : excessOf(pid);
    if (excess !== undefined) killFor(excess);
  }
  const watch = setInterval(checkBounds, boundsCheckMs);
  watch.unref();

  channel.on(
    'data',
    createLineSplitter(
      maxReplyBytes,
      (line) => {
        const id = starting === undefined ? replyLine.safeParse(parseJson(line)).data?.id : undefined;
        const take = starting ?? (id === undefined ? undefined : asked.get(id));
        if (take !== undefined) take(line);
        else if (asked.size === 0) killFor(ended('crashed', 'it wrote to descriptor 3 without being asked'));
        else killFor(wrote(line));
      },
      () => killFor(ended('crashed', `it wrote a line of more than ${maxReplyBytes} bytes to descriptor 3`)),
    ),
  );
  // Writing to a process that is gone; its exit says the rest.
  channel.on('error', () => {});

  /** The line that `expect` is given the taker of, or why there is none. */
  async function nextLine(timeoutMs: number, problem: string, expect: (take: typeof starting) => void) {
    const next = Promise.withResolvers<string | ProcessEnd>();
    expect(next.resolve);
    const timer = setTimeout(() => {
      late ??= next.resolve;
      killFor(ended('timeout', problem));
    }, timeoutMs);
    return await next.promise.finally(() => {
      clearTimeout(timer);
      expect(undefined);
    });
  }

  let requests = 0;
  const userProcess: UserProcess<Reply> = {
    pid,
    get alive() {
      return alive && verdict === undefined;
    },
    async ask(request, timeoutMs) {
      requests += 1;
      const id = requests;
      if (!userProcess.alive) return verdict ?? ended('crashed', 'its process ended between two requests');
      const reply = nextLine(timeoutMs, `no ${awaited} within ${timeoutMs} ms; its process was killed`, (take) => {
        if (take === undefined) asked.delete(id);
        else asked.set(id, take);
      });
      channel.write(`${JSON.stringify({ id, ...request })}\n`);
      const line = await reply;
      if (typeof line !== 'string') return line;
      // A child that was too large may have been ended without a word to its parent.
      checkBounds();
      if (verdict !== undefined) return verdict;
      const said = parseJson(line);
      const parsed = options.reply.safeParse(said).data;
      if (parsed?.id === id) return parsed;
      const end =
        outOfMemory.safeParse(said).data?.id === id
          ? ended('out_of_memory', `it needed more than memoryMebibytes (${options.memoryMebibytes})`)
          : wrote(line);
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
  const line = await nextLine(
    options.startTimeoutMs,
    `it was not loaded within ${options.startTimeoutMs} ms`,
    (take) => void (starting = take),
  );
  signal.removeEventListener('abort', onAbort);
  if (typeof line !== 'string') return line;
  const started = startLine.safeParse(parseJson(line)).data;
  if (started !== undefined && 'ready' in started) return userProcess;
  await userProcess.kill();
  return ended('unavailable', started?.failed ?? wrote(line).detail);
}

export function ended(reason: ProcessEnd['reason'], detail: string): ProcessEnd {
  return { kind: 'absent', reason, detail };
}

function wrote(line: string): ProcessEnd {
  return ended('crashed', `it wrote ${JSON.stringify(line.slice(0, 120))} to descriptor 3`);
}

function endOf(code: number | null, signal: NodeJS.Signals | null, lastWords: string): ProcessEnd {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  const said = lastWords.trim() === '' ? '' : `: ${lastWords.trim().slice(-2000)}`;
  const full = /JavaScript heap out of memory|MemoryError/.test(lastWords);
  return ended(full ? 'out_of_memory' : 'crashed', `its process ended with ${how}${said}`);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
