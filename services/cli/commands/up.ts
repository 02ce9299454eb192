import { join, resolve } from 'node:path';
import { CancelledError, TransientError, errorFrom } from '#platform/errors.ts';
import { exitCodes } from '../exit-codes.ts';
import { claimableHome } from '#fleet/claim-home.ts';
import { fleetKey } from '#fleet/fleet-file.ts';
import { loadedInputs } from '#fleet/stale-fleet.ts';
import { checkSpace } from '#fleet/disk/check-space.ts';
import { startFleet } from '#fleet/start-fleet.ts';
import { withStored } from '../run/fetch-stored.ts';
import { fleetFiles, fleetInputsDirectory, loadRecipe, prepareInputs } from '../run/prepare-inputs.ts';
import { readInputs } from '../run/read-inputs.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { fleetEvents } from './fleet-events.ts';
import { asIs, jsonLine } from '../terminal/json-line.ts';

export interface UpOptions {
  readonly set: readonly string[];
  readonly home: string;
  readonly json: boolean;
  readonly credentials?: string;
  /** Further folders that runs may name files in. */
  readonly root: readonly string[];
  /** Of what the recipe names as artefact:DIGEST. */
  readonly store?: string;
  readonly natsUrl?: string;
}

const stopGraceMs = 15_000;

/** Starts the fleet of a recipe and keeps it until Ctrl-C. */
export async function upCommand(recipePath: string, options: UpOptions, terminal: Terminal): Promise<number> {
  const home = resolve(options.home);
  const loaded = await loadRecipe(recipePath, options.set);
  await claimableHome(home);
  const key = fleetKey({ recipe: loaded.recipe, paths: fleetFiles(loaded) }, loaded.file);
  const stop = new AbortController();
  const report = (line: string): void => terminal.err(line);
  const stored = await withStored(loaded, { ...options, home, report, signal: stop.signal });
  const paths = await prepareInputs(stored, await fleetInputsDirectory(loaded, home, key), report);
  const onSignal = (): void => stop.abort(new CancelledError('cancelled', 'stopped while starting'));
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, onSignal);
  try {
    const found = await readInputs(paths, home, terminal, stop.signal);
    const logs = join(home, 'logs');
    const tight = await checkSpace({ home, logs });
    if (tight !== undefined) terminal.err(`warning: ${tight}`);
    const fleet = await startFleet({
      inputs: { recipe: loaded.recipe, paths },
      loaded: loadedInputs(found, loaded.recipe),
      recipePath: loaded.file,
      owner: 'up',
      home,
      logs,
      ...(options.credentials !== undefined && { credentials: resolve(options.credentials) }),
      roots: options.root.map((root) => resolve(root)),
      signal: stop.signal,
      events: fleetEvents(terminal),
    });
    if (options.json) terminal.out(jsonLine({ ...fleet.file, paths: asIs(fleet.file.paths) }));
    else terminal.err(`the fleet is up; start a run with: gradus run ${recipePath}   (Ctrl-C stops the fleet)`);
    await aborted(AbortSignal.any([stop.signal, fleet.failed]));
    terminal.err('stopping the fleet');
    await fleet.stop(stopGraceMs);
    if (fleet.failed.aborted) {
      throw new TransientError('unavailable', `the fleet failed: ${errorFrom(fleet.failed.reason).message}`);
    }
    return exitCodes.ok;
  } finally {
    for (const name of names) process.off(name, onSignal);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });
}
