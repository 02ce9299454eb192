import { sleep } from '#platform/async/sleep.ts';
import { TransientError } from '#platform/errors.ts';
import { isAlive } from '#platform/runtime/process-identity.ts';
import { type FleetFile, readFleetFile } from '../../services/fleet/fleet-file.ts';
import { type ProcessFacts, processFacts } from './fleet-processes.ts';
import { type GradusRun, startGradusRun } from './gradus-run.ts';
import { type LiveRun, watchLiveRun } from './live-run.ts';

export type FleetService = FleetFile['services'][number];

export interface ChaosFleetOptions {
  /** Where `gradus` is started. */
  readonly directory: string;
  readonly home: string;
  readonly runId: string;
  readonly signal: AbortSignal;
}

/**
 * A run with its fleet, as often as it has to be started again.
 *
 *   down --start()--> starting --attach()--> up --expectEnd(), exit--> down
 *                                            up --exit--> down, `lost` aborts
 */
export interface ChaosFleet extends AsyncDisposable {
  readonly runId: string;
  readonly home: string;
  /** The `gradus run` or `gradus resume` that has the fleet now. */
  readonly run: GradusRun;
  readonly live: LiveRun;
  /** The run is over: there is nothing left to resume. */
  readonly finished: boolean;
  /** Aborts when the present run ends and nobody has said that it would. */
  readonly lost: AbortSignal;
  /** The present run will end by our hand. */
  expectEnd(): Promise<void>;
  /** Only starts the process; `attach` waits for its fleet. */
  start(...args: readonly string[]): Promise<GradusRun>;
  /** Throws TransientError when the run ends before its fleet is up. */
  attach(): Promise<void>;
  /** `gradus resume`, up to its fleet, again when that ends in its start. Gives the time of the last start in Unix milliseconds, and what went wrong before it. */
  resume(started?: GradusRun): Promise<{ atMs: number; ends: readonly string[] }>;
  /** As it runs now: after an earlier fault its replacement. */
  service(label: string, signal: AbortSignal): Promise<FleetService>;
  /** Processes of every fleet so far that are still there though nothing should run; they are ended. */
  endLeftovers(): Promise<readonly string[]>;
}

const startTimeoutMs = 180_000;
const mostStarts = 5;

export function createChaosFleet({ directory, home, runId, signal }: ChaosFleetOptions): ChaosFleet {
  let run: GradusRun | undefined;
  let startedMs = 0;
  let live: LiveRun | undefined;
  let lost = new AbortController();
  let expected = false;
  const seen = new Map<number, ProcessFacts & { label: string }>();

  async function note(file: FleetFile): Promise<void> {
    for (const { label, pid } of file.services) {
      const facts = seen.has(pid) ? undefined : await processFacts(pid);
      if (facts !== undefined) seen.set(pid, { ...facts, label });
    }
  }

  async function closeLive(): Promise<void> {
    const closing = live;
    live = undefined;
    await closing?.[Symbol.asyncDispose]();
  }

  async function startedFleet(of: GradusRun): Promise<FleetFile> {
    const untilMs = performance.now() + startTimeoutMs;
    while (performance.now() < untilMs && of.exit === undefined) {
      const file = await readFleetFile(home).catch(() => undefined);
      // Workers start last.
      if (file?.supervisor.pid === of.pid && file.services.some(({ service }) => service === 'rollout')) return file;
      await sleep(100, signal);
    }
    const how = of.exit === undefined ? `${startTimeoutMs / 1000} s without a fleet` : `exit ${of.exit}`;
    throw new TransientError('unavailable', `the fleet in ${home} did not start (${how}): ${of.lastWords}`);
  }

  const fleet: ChaosFleet = {
    runId,
    home,
    get run() {
      if (run === undefined) throw new TypeError('no run was started yet');
      return run;
    },
    get live() {
      if (live === undefined) throw new TransientError('unavailable', 'the fleet is down');
      return live;
    },
    get finished() {
      // One that was killed after its last fact says so when it is resumed.
      return run?.exit === '0' || (run?.exit !== undefined && run.lastWords.includes('there is nothing to resume'));
    },
    get lost() {
      return lost.signal;
    },
    async expectEnd() {
      expected = true;
      await closeLive();
    },
    async start(...args) {
      await run?.[Symbol.asyncDispose]();
      const next = await startGradusRun(directory, ...args);
      run = next;
      startedMs = Date.now();
      expected = false;
      lost = new AbortController();
      const own = lost;
      void next.exited.then(() => {
        if (!expected) own.abort(new TransientError('unavailable', `gradus ended with ${next.exit ?? ''}`));
      });
      return next;
    },
    async attach() {
      const file = await startedFleet(fleet.run);
      await note(file);
      await closeLive();
      const natsUrl = async (): Promise<string> => {
        const now = (await readFleetFile(home))?.natsUrl ?? '';
        return now === '' ? file.natsUrl : now;
      };
      live = await watchLiveRun(natsUrl, runId, signal);
    },
    async resume(started) {
      await closeLive();
      const ends: string[] = [];
      if (started === undefined) await fleet.start('resume', runId);
      for (;;) {
        try {
          await fleet.attach();
          return { atMs: startedMs, ends };
        } catch (thrown) {
          if (signal.aborted || fleet.run.exit === undefined) throw thrown;
          // It was over when it was stopped or killed.
          if (fleet.finished) return { atMs: startedMs, ends };
          if (ends.length === mostStarts) throw thrown;
          ends.push(`${fleet.run.exit}: ${fleet.run.lastWords.split('\n').at(-1) ?? ''}`);
        }
        await fleet.start('resume', runId);
      }
    },
    async service(label, waiting) {
      const untilMs = Date.now() + startTimeoutMs;
      for (;;) {
        const file = await readFleetFile(home).catch(() => undefined);
        const found = file?.services.find((each) => each.label === label);
        if (file !== undefined && found !== undefined && isAlive(found.pid)) {
          await note(file);
          return found;
        }
        if (Date.now() > untilMs) throw new TransientError('unavailable', `${label} does not run in ${home}`);
        await sleep(20, waiting);
      }
    },
    async endLeftovers() {
      const left: string[] = [];
      for (const { pid, startedTicks, label } of seen.values()) {
        const now = await processFacts(pid);
        if (now?.startedTicks !== startedTicks) continue;
        left.push(`${label} (process ${pid})`);
        process.kill(pid, 'SIGKILL');
      }
      return left;
    },
    async [Symbol.asyncDispose]() {
      expected = true;
      await closeLive();
      await run?.[Symbol.asyncDispose]();
    },
  };
  return fleet;
}
