import { resolve } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { readFleetFile } from '#fleet/fleet-file.ts';
import { fleetCoordinators, type Coordinators } from '../run/coordinators.ts';
import { connectServer } from './connect-server.ts';

/** Whose runs a command is about. */
export interface RunsPlace {
  /** A coordinator elsewhere; undefined for the fleet of `home`. */
  readonly server?: string;
  /** Certificates for that one; the fleet of a home names its own. */
  readonly credentials?: string;
  readonly home: string;
}

const callTimeoutMs = 30_000;

/** The coordinators that know the runs; undefined where no fleet runs in the home. */
export async function openRuns({ server, credentials, home }: RunsPlace): Promise<Coordinators | undefined> {
  if (server !== undefined) return await connectServer({ server, credentials });
  const at = resolve(home);
  const fleet = await readFleetFile(at);
  return fleet && (await fleetCoordinators(fleet, callTimeoutMs, { reread: () => readFleetFile(at) }));
}

export async function requireRuns(place: RunsPlace): Promise<Coordinators> {
  const runs = await openRuns(place);
  if (runs !== undefined) return runs;
  throw new TerminalError(
    'not_found',
    `no fleet runs in ${resolve(place.home)}; name a server with --server HOST:PORT, or see 'gradus list' for the runs that lie there`,
  );
}
