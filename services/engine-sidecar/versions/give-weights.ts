import type { EngineServer } from '#engines/kit/engine-server.ts';
import { type GradusError, TerminalError, errorFrom } from '#platform/errors.ts';
import type { SidecarEvents } from '../events.ts';
import type { KeptCheck } from '../server/keep-server.ts';
import type { ServerLink } from '../server/server-link.ts';
import { within } from '../server/within.ts';
import type { ServedVersion, VersionLoads } from './version-loads.ts';
import { plainProbe, readProbe, weightsProblem } from './weights-probe.ts';

/** Makes the server compute with a version, or throws. */
export type WeightsGiver = (target: ServedVersion) => Promise<void>;

export interface GiverPorts {
  readonly link: ServerLink;
  readonly loads: VersionLoads;
  /** Starts the server anew with a version, and ends it where `check` throws; undefined where the server is somebody else's. */
  readonly restartWith: ((target: ServedVersion, check: KeptCheck) => Promise<void>) | undefined;
  readonly loadTimeoutMs: number;
  readonly events: Pick<SidecarEvents, 'loadWithoutEffect'>;
  readonly signal: AbortSignal;
}

/**
 * Loads in place where the server can, and looks whether it computes with what it was given:
 *
 *     loading -(its scores are those of the version)-> served
 *     loading -(it refused, and its scores are to the last bit those of before)-> failed, and the version before serves
 *     loading -(anything else: other scores, an error, silence)-> tainted
 *     tainted -> started anew with the version, where it was started here; condemned otherwise, until somebody has started it anew
 *
 * Where a load had no effect, a server that was started here is started anew with each later version at once.
 */
export function createWeightsGiver({
  link,
  loads,
  restartWith,
  loadTimeoutMs,
  events,
  signal,
}: GiverPorts): WeightsGiver {
  let inPlace = link.description.loadsVersions;

  /** Gives why the server is tainted; undefined when it computes with the version. Throws where nothing has changed. */
  async function loadInPlace(
    server: EngineServer,
    load: NonNullable<EngineServer['load']>,
    target: ServedVersion,
  ): Promise<string | undefined> {
    const { description } = link;
    const { version, weightsDigest } = loads.served;
    const probe = (await readProbe(target.weightsPath)) ?? plainProbe;
    const bounded = <T>(what: string, work: (until: AbortSignal) => Promise<T>): Promise<T> =>
      within(signal, loadTimeoutMs, `${description.program}: ${what}`, work);
    const scores = async () => await bounded('scoring', async (until) => await server.score?.(probe.tokenIds, until));
    const before = await scores();
    try {
      await bounded('the load', (until) => load({ version: target.version, directory: target.weightsPath }, until));
      // Weights that are known to be others give other scores.
      const other = weightsDigest !== '' && weightsDigest !== target.weightsDigest ? before : undefined;
      const problem = await bounded('scoring', (until) => weightsProblem(server, description, probe, other, until));
      if (problem === undefined) return undefined;
      loads.tainted(target.version);
      events.loadWithoutEffect(target.version, problem, restartWith !== undefined);
      inPlace = restartWith === undefined;
      return `it took the weights of version ${target.version}, but ${problem}`;
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const error = errorFrom(thrown);
      if (isAnswer(error) && before !== undefined && isSame(before, await scores().catch(() => undefined)))
        throw thrown;
      loads.tainted(version, target.version);
      return `it was given the weights of version ${target.version}, and nobody knows what it has now: ${error.message}`;
    }
  }

  return async (target) => {
    const { program } = link.description;
    // One that is down is started with the version; only somebody else's has to be there.
    const server = restartWith === undefined || link.state === 'up' ? link.required() : undefined;
    if (inPlace && server?.load !== undefined) {
      const problem = await loadInPlace(server, server.load, target);
      if (problem === undefined) return;
      if (restartWith === undefined) {
        link.condemn(`${problem}; start it anew`);
        throw new TerminalError('failed_precondition', `${program}: ${problem}`);
      }
    }
    if (restartWith === undefined)
      throw new TerminalError('failed_precondition', `the weights of ${program} cannot be replaced`);
    await restartWith(target, async (started) => {
      const probe = await readProbe(target.weightsPath);
      const problem =
        probe &&
        (await within(signal, loadTimeoutMs, `${program}: scoring`, (until) =>
          weightsProblem(started, link.description, probe, undefined, until),
        ));
      if (problem === undefined) return;
      throw new TerminalError(
        'failed_precondition',
        `${program} was started with ${target.weightsPath}, but ${problem}; look whether its format of numbers fits`,
      );
    });
  };
}

/** What a server answered is over; a load that it did not answer may still go on. */
const isAnswer = (error: GradusError): boolean => error.code === 'aborted' || 'status' in error.details;

const isSame = (before: readonly number[], after: readonly number[] | undefined): boolean =>
  after?.length === before.length && before.every((score, at) => score === after[at]);
