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
  /** Of the weights that the server was given last, whether they took effect or not; undefined while it is given some. */
  readonly told: bigint | undefined;
  /** Waits for loads that were asked for before, whatever comes of them. */
  settled(signal: AbortSignal): Promise<void>;
  /**
   * `give` does it, and says what serves then. One at a time, and to its end even if the caller gives up: a version is loaded or not. Gives false when it serves already. Throws TerminalError for a
   * version that is older.
   */
  load(target: ServedVersion, give: (target: ServedVersion) => Promise<ServedVersion>): Promise<boolean>;
  /** The server computed with weights of no version. */
  tainted(): void;
  /** It was started anew, with these. */
  restarted(served: ServedVersion): void;
}

export function createVersionLoads(
  first: ServedVersion,
  possible: boolean,
  onServed: (version: bigint) => void,
): VersionLoads {
  let served = first;
  let told: bigint | undefined = first.version;
  let begun = 0;
  let failures = 0;
  /** The last of the loads that were asked for, over or not. */
  let last: Promise<unknown> = Promise.resolve();
  const serve = (next: ServedVersion): void => {
    served = next;
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
    told = undefined;
    try {
      serve(await give(target));
      return true;
    } finally {
      told = target.version;
    }
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
    get told() {
      return told;
    },
    settled: async (signal) => void (await untilCancelled(last, signal)),
    async load(target, give) {
      const mine = last.then(() => apply(target, give));
      last = mine.catch(() => undefined);
      return await mine;
    },
    tainted: () => void (failures += 1),
    restarted(next) {
      told = next.version;
      serve(next);
    },
  };
}
