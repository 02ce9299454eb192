import { untilCancelled } from '#platform/async/sleep.ts';
import { TerminalError } from '#platform/errors.ts';

export interface ServedVersion {
  readonly version: bigint;
  /** Empty for the weights that the server was started with. */
  readonly weightsPath: string;
  /** Empty where it is unknown. */
  readonly weightsDigest: string;
}

export interface VersionLoads {
  readonly served: ServedVersion;
  /** False where the server takes no weights and was not started here. */
  readonly possible: boolean;
  /** Loads that began, and those of them after which the server had weights of no version for a while. */
  readonly begun: number;
  readonly failures: number;
  /** Whether the server may call the weights so that it was given last; any while it is given some. Another name shows that it was started anew. */
  mayName(version: bigint): boolean;
  /** Waits for loads that were asked for before, whatever comes of them. */
  settled(signal: AbortSignal): Promise<void>;
  /**
   * `give` does it, and says what serves then. One at a time, and to its end even if the caller gives up: a version is loaded or not. Gives false when it serves already. Throws TerminalError for a
   * version that is older.
   */
  load(target: ServedVersion, give: (target: ServedVersion) => Promise<ServedVersion>): Promise<boolean>;
  /** Runs it while no load is under way, nor anything else that changes which weights the server has. */
  alone<T>(change: () => Promise<T>): Promise<T>;
  /** The server computed with weights of no version, and may call them by one of `names`. */
  tainted(...names: readonly bigint[]): void;
  /** It was started anew, with these. */
  restarted(served: ServedVersion): void;
}

export function createVersionLoads(
  first: ServedVersion,
  possible: boolean,
  onServed: (version: bigint) => void,
): VersionLoads {
  let served = first;
  let names: readonly bigint[] = [first.version];
  let isLoading = false;
  let begun = 0;
  let failures = 0;
  /** The last of the changes that were asked for, over or not, and of the loads among them. */
  let lastChange: Promise<unknown> = Promise.resolve();
  let lastLoad: Promise<unknown> = lastChange;
  const serve = (next: ServedVersion): void => {
    served = next;
    names = [next.version];
    onServed(next.version);
  };
  onServed(first.version);

  function isServed({ version, weightsDigest }: ServedVersion): boolean {
    if (version < served.version) {
      throw new TerminalError(
        'failed_precondition',
        `version is ${version}, but version ${served.version} serves already; versions only grow`,
      );
    }
    // A step that was made again, elsewhere, may give other weights for the version that serves.
    return version === served.version && ['', served.weightsDigest].includes(weightsDigest);
  }

  async function apply(
    target: ServedVersion,
    give: (target: ServedVersion) => Promise<ServedVersion>,
  ): Promise<boolean> {
    if (isServed(target)) return false;
    begun += 1;
    isLoading = true;
    try {
      serve(await give(target));
      return true;
    } finally {
      isLoading = false;
    }
  }

  function alone<T>(change: () => Promise<T>): Promise<T> {
    const mine = lastChange.then(change);
    lastChange = mine.catch(() => undefined);
    return mine;
  }

  return {
    get served() {
      return served;
    },
    possible,
    get begun() {
      return begun;
    },
    get failures() {
      return failures;
    },
    mayName: (version) => isLoading || names.includes(version),
    settled: async (signal) => void (await untilCancelled(lastLoad, signal)),
    async load(target, give) {
      const mine = alone(() => apply(target, give));
      lastLoad = mine.catch(() => undefined);
      return await mine;
    },
    alone,
    tainted(...called) {
      failures += 1;
      names = called;
    },
    restarted: serve,
  };
}
