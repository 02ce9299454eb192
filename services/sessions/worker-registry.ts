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
  let next = 0;

  function forget({ workerToken, address, end, expiry }: Entry): void {
    clearTimeout(expiry);
    workers.delete(workerToken);
    end.abort(new TransientError('unavailable', `the worker at ${address} has not been heard of for ${livesMs} ms`));
  }

  return {
    register(played) {
      const known = workers.get(played.workerToken);
      if (known === undefined && workers.size >= mostWorkers)
        throw new TransientError('resource_exhausted', `${mostWorkers} workers are registered already`);
      // Its sessions are where it says now.
      if (known !== undefined && known.address !== played.address) forget(known);
      if (known !== undefined) clearTimeout(known.expiry);
      const end = known === undefined || known.end.signal.aborted ? new AbortController() : known.end;
      const entry: Entry = { ...played, end, life: end.signal, expiry: setTimeout(() => forget(entry), livesMs) };
      entry.expiry.unref();
      workers.set(played.workerToken, entry);
    },
    find: (workerToken) => workers.get(workerToken),
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
