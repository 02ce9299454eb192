/** Where sessions are played, as workers say: the only addresses that anything is forwarded to. */
import { TransientError } from '#platform/errors.ts';

export interface PlayedAt {
  readonly workerToken: string;
  /** `host:port`. */
  readonly address: string;
  /** Sessions may be opened there. */
  readonly opens: boolean;
}

export interface RegisteredWorker extends PlayedAt {
  /** Aborts when the worker has not registered for too long: what it works on is lost. */
  readonly life: AbortSignal;
}

export interface WorkerRegistry {
  /** For `livesMs`; a worker registers again before that. */
  register(played: PlayedAt): void;
  find(workerToken: string): RegisteredWorker | undefined;
  /** Whether an unknown worker may still register: the registry has just begun, or the registration has just lapsed; each for `livesMs`. */
  mayReturn(workerToken: string): boolean;
  /** Those where sessions may be opened, each call beginning with another one. */
  openers(): readonly RegisteredWorker[];
  close(): void;
}

interface Entry extends RegisteredWorker {
  readonly expiry: NodeJS.Timeout;
  readonly end: AbortController;
}

/** More than any fleet has; each is some hundred bytes. */
const mostWorkers = 16_384;

export function createWorkerRegistry(livesMs: number): WorkerRegistry {
  const workers = new Map<string, Entry>();
  const lapsed = new Map<string, NodeJS.Timeout>();
  let next = 0;
  let isNew = true;
  setTimeout(() => (isNew = false), livesMs).unref();

  function forget({ workerToken, address, end, expiry }: Entry): void {
    clearTimeout(expiry);
    workers.delete(workerToken);
    end.abort(new TransientError('unavailable', `the worker at ${address} has not been heard of for ${livesMs} ms`));
  }

  function lapse(entry: Entry): void {
    forget(entry);
    const { workerToken } = entry;
    lapsed.set(workerToken, setTimeout(() => lapsed.delete(workerToken), livesMs).unref());
  }

  function isBack(workerToken: string): void {
    clearTimeout(lapsed.get(workerToken));
    lapsed.delete(workerToken);
  }

  return {
    register(played) {
      const known = workers.get(played.workerToken);
      if (known === undefined && workers.size + lapsed.size >= mostWorkers)
        throw new TransientError('resource_exhausted', `${mostWorkers} workers are registered already`);
      isBack(played.workerToken);
      // Its sessions are where it says now.
      if (known !== undefined && known.address !== played.address) forget(known);
      if (known !== undefined) clearTimeout(known.expiry);
      const end = known === undefined || known.end.signal.aborted ? new AbortController() : known.end;
      const entry: Entry = {
        ...played,
        end,
        life: end.signal,
        expiry: setTimeout(() => lapse(entry), livesMs).unref(),
      };
      workers.set(played.workerToken, entry);
    },
    find: (workerToken) => workers.get(workerToken),
    mayReturn: (workerToken) => isNew || lapsed.has(workerToken),
    openers() {
      const open = [...workers.values()].filter(({ opens }) => opens);
      next += 1;
      const from = open.length === 0 ? 0 : next % open.length;
      return [...open.slice(from), ...open.slice(0, from)];
    },
    close() {
      for (const entry of workers.values()) forget(entry);
    },
  };
}
