import { resolve } from 'node:path';
import { sleep } from '#shared/async/sleep.ts';
import { TerminalError, TransientError } from '#shared/errors.ts';
import { exitCodes } from '../exit-codes.ts';
import { isAlive } from '#shared/runtime/is-alive.ts';
import { readFleetFile } from '../fleet/fleet-file.ts';
import type { FleetFile } from '../fleet/fleet-file.ts';
import { fleetCoordinators } from '../run/coordinators.ts';
import { stateWord } from '../run/progress-line.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface StopOptions {
  readonly home: string;
  readonly now: boolean;
}

/** Longest step that a drain may have to finish, and then the fleet's own end. */
const fleetTimeoutMs = 15 * 60_000;

/** Stops one run, or without an id the whole fleet of the home. Whatever ran can be resumed. */
export async function stopCommand(
  runId: string | undefined,
  options: StopOptions,
  terminal: Terminal,
): Promise<number> {
  const home = resolve(options.home);
  const fleet = await readFleetFile(home);
  if (fleet === undefined) throw new TerminalError('not_found', `no fleet runs in ${home}; nothing to stop`);
  if (runId === undefined) await stopFleet(fleet, options.now);
  else terminal.out(`run ${runId} ${await stopRun(fleet, runId, options.now)}`);
  if (runId === undefined) terminal.out(`the fleet in ${home} has stopped`);
  return exitCodes.ok;
}

async function stopRun(fleet: FleetFile, runId: string, now: boolean): Promise<string> {
  const coordinators = fleetCoordinators(fleet, 30_000);
  try {
    const { state } = await coordinators.ask((client) => client.stopRun({ runId, now }));
    return `is ${stateWord(state)}${now ? '' : ', after the step in progress if one was'}`;
  } finally {
    coordinators.close();
  }
}

/** The supervisor treats signals as Ctrl-C: the first drains, the second stops now. */
async function stopFleet(fleet: FleetFile, now: boolean): Promise<void> {
  process.kill(fleet.pid, 'SIGTERM');
  if (now && fleet.owner === 'run') {
    await sleep(500, undefined);
    if (isAlive(fleet.pid)) process.kill(fleet.pid, 'SIGTERM');
  }
  const untilMs = performance.now() + fleetTimeoutMs;
  while (isAlive(fleet.pid)) {
    if (performance.now() > untilMs) {
      throw new TransientError(
        'unavailable',
        `process ${fleet.pid} still runs; 'gradus stop --now' does not wait for the step`,
      );
    }
    await sleep(200, undefined);
  }
}
