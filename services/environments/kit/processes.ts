import { createSemaphore } from '#platform/async/semaphore.ts';
import { TransientError } from '#platform/errors.ts';
import type { ProcessEnd, UserProcess } from '#user-code/user-process.ts';
import { createDeaths } from './deaths.ts';
import { errorOfThrew, threwReply } from './threw.ts';

/** The process that an episode lives in, for as long as that lives. */
export interface Home<Reply> {
  /** Throws `UserCodeError` for an exception of the user's, and what the end of its process makes of the call. */
  ask(what: string, request: object, io: CallIo): Promise<Reply>;
  /** False: its process has ended, and the episode with it. */
  readonly alive: boolean;
  /** Ends its process, and with it all episodes there. */
  end(): Promise<void>;
  leave(): void;
}

export interface CallIo {
  readonly signal: AbortSignal;
  readonly toolTimeoutMs: number;
}

export interface ProcessesOptions<Reply> {
  readonly file: string;
  readonly processes: number;
  /** Calls that a process is given at once. */
  readonly callsAtOnce: number;
  /** Longest time of a call, whatever time its caller has. */
  readonly timeoutMs: number;
  start(signal: AbortSignal): Promise<UserProcess<Reply> | ProcessEnd>;
  /** Lets a process that lives finish, before all of them are ended. */
  finish?(process: UserProcess<Reply>): Promise<unknown>;
}

export interface Processes<Reply> extends AsyncDisposable {
  /** A place for an episode of this row in the process that has the fewest. */
  enter(row: string): Home<Reply>;
}

/**
 * So many processes, each with any number of episodes. A process that ended is replaced when it is next needed:
 *
 *     none --a call--> starting --> alive --ends--> none; its episodes are lost
 */
export function createProcesses<Reply extends { readonly id: number }>(
  first: UserProcess<Reply>,
  options: ProcessesOptions<Reply>,
): Processes<Reply> {
  const { file, timeoutMs } = options;
  const stop = new AbortController();
  const deaths = createDeaths(file);
  const slots = Array.from({ length: options.processes }, (_, index) => createSlot(index === 0 ? first : undefined));

  function createSlot(given: UserProcess<Reply> | undefined) {
    const turn = createSemaphore(options.callsAtOnce);
    let alive = given;
    let starting: Promise<UserProcess<Reply>> | undefined;
    const slot = {
      episodes: 0,
      get process() {
        return alive;
      },
      /** Waits for its turn; `allowed` is asked once that has come. */
      async ask(call: { what: string; row: string }, request: object, io: CallIo, allowed: () => void) {
        return await turn.run(async () => {
          allowed();
          const process = alive ?? (await (starting ??= started()).finally(() => (starting = undefined)));
          alive ??= process;
          const reply = await process.ask(request, Math.min(timeoutMs, io.toolTimeoutMs));
          if (!isEnd(reply)) {
            deaths.survived();
            return { reply, process };
          }
          // The first call that hears of the end is the one that is blamed for it.
          if (alive !== process) throw lost(call.row);
          await slot.end(process);
          throw deaths.judge(call, reply);
        }, io.signal);
      },
      async end(process: UserProcess<Reply>) {
        if (alive === process) {
          alive = undefined;
          slot.episodes = 0;
        }
        await process.kill();
      },
      async kill() {
        if (alive?.alive === true) await options.finish?.(alive);
        await alive?.kill();
        alive = undefined;
      },
    };
    return slot;
  }

  function lost(row: string): TransientError {
    return new TransientError('unavailable', `the episode of row ${row} is lost: its process of ${file} has ended`);
  }

  async function started(): Promise<UserProcess<Reply>> {
    const process = await options.start(stop.signal);
    if ('kind' in process)
      throw new TransientError('unavailable', `${file} does not start any more: ${process.detail}`);
    return process;
  }

  return {
    enter(row) {
      const slot = slots.reduce((least, one) => (one.episodes < least.episodes ? one : least));
      slot.episodes += 1;
      let process: UserProcess<Reply> | undefined;
      let left = false;
      const home: Home<Reply> = {
        get alive() {
          return process !== undefined && process === slot.process && process.alive;
        },
        async ask(what, request, io) {
          const asked = await slot.ask({ what, row }, request, io, () => {
            // The first call may go to a process that has yet to start.
            if (process !== undefined && process !== slot.process) throw lost(row);
          });
          process = asked.process;
          const threw = threwReply.safeParse(asked.reply).data;
          if (threw !== undefined) throw errorOfThrew(what, threw.threw);
          return asked.reply;
        },
        async end() {
          if (process !== undefined) await slot.end(process);
        },
        leave() {
          if (!left && (process === undefined || home.alive)) slot.episodes = Math.max(0, slot.episodes - 1);
          left = true;
        },
      };
      return home;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(slots.map((slot) => slot.kill()));
    },
  };
}

function isEnd(reply: object): reply is ProcessEnd {
  return 'kind' in reply && reply.kind === 'absent';
}
