import { join } from 'node:path';
import { inspect } from 'node:util';
import { z } from 'zod';
import type { Conversation } from '#chat/conversation.ts';
import { cancelledFrom, errorOfCode, TerminalError, TransientError } from '#platform/errors.ts';
import { createProcessOutput } from '#user-code/process-output.ts';
import { programVariables, type UserCodeHost } from '#user-code/user-code-host.ts';
import { startUserProcess, type ProcessEnd, type UserProcess } from '#user-code/user-process.ts';
import type { Environment, EnvironmentDefinition, Episode, EpisodeRow, StepOutcome } from '../kit/environment.ts';
import { createProcesses, type CallIo, type Home } from '../kit/processes.ts';
import { errorOfThrew } from '../kit/threw.ts';
import { UserCodeError } from '#user-code/user-code-error.ts';
import { description, hostReply, maxReplyBytes, type Description, type HostReply } from './protocol.ts';
import { outcomeSaid, promptSaid } from './said.ts';

/** What processes of a file may take. */
export interface FileLimits {
  readonly processes: number;
  /** Of a process with all that it starts. */
  readonly memoryMebibytes: number;
  readonly startTimeoutMs: number;
  /** Names of the worker's environment variables that the file sees. */
  readonly variables: readonly string[];
}

export const defaultFileLimits: FileLimits = {
  processes: 1,
  memoryMebibytes: 1024,
  startTimeoutMs: 60_000,
  variables: [],
};

export interface ContainOptions {
  readonly file: string;
  readonly limits: FileLimits;
  /** Address of the retrieval service, for environments that need it. */
  readonly retrieval?: string | undefined;
}

/** Calls of one process at once; more wait. */
const callsAtOnce = 1024;
/** For what the environment does when nothing uses it any more. */
const longestEndMs = 10_000;
/** For the thread that says what holds a process to say so. */
const heldMs = 15_000;

type Start = (signal: AbortSignal) => Promise<UserProcess<HostReply> | ProcessEnd>;

/**
 * The environment of a user's file as a worker plays it: its code runs in processes with limits, which are ended when they hold still or
 * grow too large, and never in the worker's own. Its options are checked there, by its own schema. TerminalError failed_precondition that names the
 * file and what is wrong where it cannot be loaded.
 */
export async function containEnvironment(options: ContainOptions, host: UserCodeHost): Promise<EnvironmentDefinition> {
  const { file } = options;
  const first = await start(options, host)(new AbortController().signal);
  if ('kind' in first) throw new TerminalError('failed_precondition', `environment ${file}: ${first.detail}`);
  let described: Description;
  try {
    const reply = await first.ask({ op: 'describe' }, options.limits.startTimeoutMs);
    if ('kind' in reply) throw new TerminalError('failed_precondition', `environment ${file}: ${reply.detail}`);
    described = description.parse('described' in reply ? reply.described : reply);
  } finally {
    await first.kill();
  }
  return {
    ...described,
    options: z.looseObject({}),
    row: { data: z.unknown(), gold: z.unknown() },
    open: async (given, clients) => await openContained(options, given, await clients.userCode()),
  };
}

function start({ file, limits }: ContainOptions, host: UserCodeHost): Start {
  const memory = String(limits.memoryMebibytes);
  const flags = [
    `--max-old-space-size=${memory}`,
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
  ];
  const output = createProcessOutput(host.log, { file }, 'an environment prints');
  return async (signal) =>
    await startUserProcess(
      {
        command: process.execPath,
        args: [...flags, join(import.meta.dirname, 'host.ts'), file],
        env: programVariables(host.variables, limits.variables),
        memoryMebibytes: limits.memoryMebibytes,
        containment: host.containment,
        guardian: host.guardian,
        startTimeoutMs: limits.startTimeoutMs,
        output,
        reply: hostReply,
        awaited: 'answer',
        maxReplyBytes: maxReplyBytes + 1024,
      },
      signal,
    );
}

async function openContained(contained: ContainOptions, given: unknown, host: UserCodeHost): Promise<Environment> {
  const { file, limits, retrieval } = contained;
  const bare = start(contained, host);
  const openMs = limits.startTimeoutMs;

  /** A process in which the environment is open. */
  async function opened(signal: AbortSignal) {
    const process = await bare(signal);
    if ('kind' in process) return process;
    const request = { op: 'open', options: given, ...(retrieval !== undefined && { retrieval }) };
    const reply = await process.ask(request, openMs + heldMs);
    if ('kind' in reply) return reply;
    if ('opened' in reply) return { process, ...reply.opened };
    await process.kill();
    return refused(reply);
  }

  /** Why `open` gave no environment. */
  function refused(reply: HostReply): Error {
    if ('threw' in reply) return errorOfThrew('open', reply.threw);
    if ('failed' in reply) return errorOfCode(reply.failed.code, `${file}: ${reply.failed.message}`);
    if ('held' in reply) return heldError('open', file, reply.held);
    return new TransientError('unavailable', `${file}: it was not open within ${openMs} ms`);
  }

  const first = await opened(new AbortController().signal);
  if (first instanceof Error) throw first;
  if ('kind' in first) throw new TerminalError('failed_precondition', `environment ${file}: ${first.detail}`);
  const processes = createProcesses(first.process, {
    file,
    processes: limits.processes,
    callsAtOnce,
    timeoutMs: Infinity,
    async start(signal) {
      const again = await opened(signal);
      if (again instanceof Error) throw again;
      return 'kind' in again ? again : again.process;
    },
    finish: async (process) => await process.ask({ op: 'end' }, longestEndMs),
  });
  let episodes = 0;
  /** Called for a call that nobody waited for any more; the next episode reports it. */
  let untold: UserCodeError | undefined;
  return {
    stop: first.stop,
    rewards: first.rewards,
    outsideText: true,
    async start(row, io) {
      const verdict = untold;
      untold = undefined;
      if (verdict !== undefined) throw verdict;
      episodes += 1;
      const ask = askOf(processes.enter(row.id), file, (error) => (untold = error));
      return await createContainedEpisode(`${episodes}`, file, ask, row, io);
    },
    ...(first.checks && {
      async check(signal: AbortSignal) {
        const asked = askOf(processes.enter('check'), file, () => {});
        await asked.call('check', { op: 'check' }, { signal, toolTimeoutMs: openMs });
        asked.home.leave();
      },
    }),
    close: async () => await processes[Symbol.asyncDispose](),
  };
}

async function createContainedEpisode(
  episode: string,
  file: string,
  { home, call }: Asked,
  row: EpisodeRow,
  io: CallIo & { readonly seed: bigint },
): Promise<Episode> {
  const ask = (
    what: string,
    request: Requested & Readonly<Record<string, unknown>>,
    callIo: CallIo,
  ): Promise<HostReply> => call(what, { ...request, episode }, callIo);
  const prompt = await begin();
  return {
    prompt: () => prompt,
    async step(turn, stepIo) {
      const reply = await ask('step', { op: 'step', turn, toolTimeoutMs: stepIo.toolTimeoutMs }, stepIo);
      const outcome = parsed('step', file, outcomeSaid, 'outcome' in reply ? reply.outcome : undefined);
      // Rewards and metrics are checked with those of all environments.
      return outcome as StepOutcome;
    },
    async close() {
      const alive = home.alive;
      home.leave();
      if (!alive) return;
      const closing = { signal: new AbortController().signal, toolTimeoutMs: io.toolTimeoutMs };
      await ask('close', { op: 'close', toolTimeoutMs: io.toolTimeoutMs }, closing);
    },
  };

  async function begin() {
    const { toolTimeoutMs, seed } = io;
    try {
      const given = { id: row.id, data: row.data, tags: row.tags };
      const reply = await ask('start', { op: 'start', row: given, seed: `${seed}`, toolTimeoutMs }, io);
      // JSON has no keys that are there and undefined.
      return parsed('prompt', file, promptSaid, 'prompt' in reply ? reply.prompt : undefined) as string | Conversation;
    } catch (thrown) {
      home.leave();
      throw thrown;
    }
  }
}

interface Requested {
  readonly op: string;
  readonly episode?: string;
}

interface Asked {
  readonly home: Home<HostReply>;
  call(what: string, request: Requested, io: CallIo): Promise<HostReply>;
}

/** Calls of one episode. A caller that stops waiting lets the process know. */
function askOf(home: Home<HostReply>, file: string, report: (error: UserCodeError) => void): Asked {
  async function call(what: string, request: Requested, io: CallIo): Promise<HostReply> {
    const { episode } = request;
    const cancel = (): void => {
      const cancelling = { signal: new AbortController().signal, toolTimeoutMs: heldMs };
      if (episode !== undefined && home.alive) home.ask(what, { op: 'cancel', episode }, cancelling).catch(() => {});
    };
    io.signal.addEventListener('abort', cancel, { once: true });
    try {
      const toolTimeoutMs = Math.max(io.toolTimeoutMs, 1_000) + heldMs;
      const reply = await home.ask(what, request, { signal: io.signal, toolTimeoutMs });
      if ('held' in reply) {
        const error = heldError(what, file, reply.held);
        // It cannot end itself where it is the first process of its namespace.
        await home.end();
        if (io.signal.aborted) report(error);
        throw error;
      }
      if ('failed' in reply) {
        const { code, message, retryAfterMs } = reply.failed;
        if (code === 'unavailable' || code === 'resource_exhausted' || code === 'aborted')
          throw new TransientError(code, message, { retryAfterMs });
        throw errorOfCode(code, message);
      }
      if ('late' in reply) {
        if (io.signal.aborted) throw cancelledFrom(io.signal.reason);
        throw new TransientError('unavailable', `${what} of ${file}: no result within ${io.toolTimeoutMs} ms`);
      }
      return reply;
    } finally {
      io.signal.removeEventListener('abort', cancel);
    }
  }
  return { home, call };
}

type Held = Extract<HostReply, { readonly held: unknown }>['held'];

function heldError(what: string, file: string, held: Held): UserCodeError {
  const at = held.file ?? file;
  const place = held.line === undefined ? at : `${at}:${held.line}`;
  const message = `${what} held its process for ${held.ms} ms without a pause, which no other episode can use meanwhile; its process was ended (${place})`;
  return new UserCodeError(message, { file: at, ...(held.line !== undefined && { line: held.line }) });
}

function parsed<T>(what: string, file: string, schema: z.ZodType<T>, value: unknown): T {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  const path = issue?.path.map(String).join('.') ?? '';
  const problem = `${path === '' ? '' : `${path}: `}${issue?.message ?? ''}`;
  throw new UserCodeError(`${what} gave ${inspect(value, { depth: 1 }).slice(0, 200)}; ${problem}`, { file });
}
