import type { EngineServer } from '#engines/kit/engine-server.ts';
import { TerminalError } from '#platform/errors.ts';
import type { SidecarEvents } from '../events.ts';
import type { ServerLink } from '../server/server-link.ts';
import type { ServedVersion, VersionLoads } from './version-loads.ts';
import { plainProbe, readProbe, weightsProblem } from './weights-probe.ts';

/** Makes the server compute with a version, or throws. */
export type WeightsGiver = (target: ServedVersion) => Promise<void>;

export interface GiverPorts {
  readonly link: ServerLink;
  readonly loads: VersionLoads;
  /** Starts the server anew with a version; undefined where the server is somebody else's. */
  readonly restartWith: ((target: ServedVersion) => Promise<void>) | undefined;
  readonly events: Pick<SidecarEvents, 'loadWithoutEffect'>;
  readonly signal: AbortSignal;
}

/**
 * Loads in place where the server can, and looks whether it computes with what it was given. Where it does not, a server that was started here is started
 * anew with the version, then and from then on; another one is not used until somebody has started it anew.
 */
export function createWeightsGiver({ link, loads, restartWith, events, signal }: GiverPorts): WeightsGiver {
  let inPlace = link.description.loadsVersions;

  async function problemAfter(
    server: EngineServer,
    target: ServedVersion,
    act: () => Promise<void>,
  ): Promise<string | undefined> {
    const probe = (await readProbe(target.weightsPath)) ?? plainProbe;
    // Weights that are known to be others give other scores.
    const { weightsDigest } = loads.served;
    const isOther = weightsDigest !== '' && weightsDigest !== target.weightsDigest;
    const before = isOther ? await server.score?.(probe.tokenIds, signal) : undefined;
    await act();
    return await weightsProblem(link.required(), link.description, probe, before, signal);
  }

  return async (target) => {
    const server = link.required();
    const { load } = server;
    if (inPlace && load !== undefined) {
      const problem = await problemAfter(server, target, () =>
        load({ version: target.version, directory: target.weightsPath }, signal),
      );
      if (problem === undefined) return;
      loads.tainted();
      events.loadWithoutEffect(target.version, problem, restartWith !== undefined);
      if (restartWith === undefined) {
        link.condemn(`it took the weights of version ${target.version}, but ${problem}; start it anew`);
        throw new TerminalError(
          'failed_precondition',
          `${link.description.program} took the weights of version ${target.version}, but ${problem}`,
        );
      }
      inPlace = false;
    }
    if (restartWith === undefined)
      throw new TerminalError('failed_precondition', `the weights of ${link.description.program} cannot be replaced`);
    await restartWith(target);
    const probe = await readProbe(target.weightsPath);
    const problem = probe && (await weightsProblem(link.required(), link.description, probe, undefined, signal));
    if (problem === undefined) return;
    link.condemn(`it was started with the weights of version ${target.version}, but ${problem}`);
    throw new TerminalError(
      'failed_precondition',
      `${link.description.program} was started with ${target.weightsPath}, but ${problem}; look whether its format of numbers fits`,
    );
  };
}
