import { resolve } from 'node:path';
import { sleep } from '#platform/async/sleep.ts';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { exitCodes } from '../exit-codes.ts';
import { isStopped, stateOf } from '#platform/runtime/process-identity.ts';
import type { ProcessIdentity } from '#platform/runtime/process-identity.ts';
import { recordAtShell } from '#fleet/audit-file.ts';
import { clearHome, fleetBusy } from '#fleet/claim-home.ts';
import { readFleetFile } from '#fleet/fleet-file.ts';
import type { FleetFile } from '#fleet/fleet-file.ts';
import type { Coordinators } from '../run/coordinators.ts';
import { openRuns, type RunsPlace } from '../server/open-runs.ts';
import { followRun } from '../run/follow-run.ts';
import { stateWord } from '#run/live-status.ts';
import { requestStop } from '../run/request-stop.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface StopOptions extends RunsPlace {
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
  if (options.server !== undefined && runId === undefined)
    throw new TerminalError(
      'invalid_argument',
      `run: is missing; 'gradus stop RUN --server ${options.server}' stops a run there, and the fleet itself is stopped next to its home`,
    );
  if (runId !== undefined) {
    const coordinators = await openRuns(options);
    if (coordinators === undefined) throw noFleet(resolve(options.home));
    terminal.out(`run ${runId} ${await stopRun(coordinators, runId, options.now)}`);
    return exitCodes.ok;
  }
  const home = resolve(options.home);
  const fleet = await readFleetFile(home);
  if (fleet === undefined) {
    const ended = await clearHome(home);
    if (ended === undefined) throw noFleet(home);
    terminal.out(
      `the fleet in ${home} was killed; nothing of it runs now${ended.length === 0 ? '' : `, after these were ended: ${ended.join(', ')}`}`,
    );
    return exitCodes.ok;
  }
  await recordAtShell(home, 'stop', { now: options.now }, () => stopFleet(home, fleet, options.now, terminal));
  terminal.out(`the fleet in ${home} has stopped`);
  return exitCodes.ok;
}

function noFleet(home: string): TerminalError {
  return new TerminalError('not_found', `no fleet runs in ${home}; nothing to stop`);
}

async function stopRun(coordinators: Coordinators, runId: string, now: boolean): Promise<string> {
  try {
    await requestStop(coordinators, { runId, now, reason: now ? 'gradus stop --now' : 'gradus stop' });
    const stepIsOver = AbortSignal.timeout(fleetTimeoutMs);
    const { state } = await followRun(coordinators, runId, stepIsOver, () => undefined);
    return `is ${stateWord(state)}${now ? '' : ', after the step in progress if one was'}`;
  } finally {
    coordinators.close();
  }
}

/**
 * The supervisor treats signals as Ctrl-C: the first drains, the second stops now. Only the process that holds the home's
 * lock is signalled, and only if it is the one that started the fleet.
 */
async function stopFleet(home: string, fleet: FleetFile, now: boolean, terminal: Terminal): Promise<void> {
  const { supervisor } = fleet;
  let isContinued = false;
  const continueStopped = (): void => {
    if (!isStopped(supervisor)) return;
    if (!isContinued)
      terminal.err(
        `process ${supervisor.pid}, which runs the fleet, does not react: it was stopped (SIGSTOP or Ctrl-Z); it is continued so that it can end`,
      );
    isContinued = true;
    signalSupervisor(supervisor, 'SIGCONT');
  };
  if (!signalSupervisor(supervisor, 'SIGTERM')) {
    const state = stateOf(supervisor);
    // Gone since we looked: what it has left is cleared below.
    if (state !== 'gone') throw fleetBusy(home, fleet);
  }
  if (now && fleet.owner === 'run') {
    continueStopped();
    await sleep(500, undefined);
    signalSupervisor(supervisor, 'SIGTERM');
  }
  const untilMs = performance.now() + fleetTimeoutMs;
  while (stateOf(supervisor) === 'alive') {
    continueStopped();
    if (performance.now() > untilMs) {
      throw new TransientError(
        'unavailable',
        `process ${supervisor.pid} still runs; 'gradus stop --now' does not wait for the step`,
      );
    }
    await sleep(200, undefined);
  }
  // Killed while it stopped: another command may have taken the home since, and then there is nothing to clear.
  if ((await readFleetFile(home)) === undefined) await clearHome(home);
}

/** False when the process is not there, or not the one that is meant. */
function signalSupervisor(supervisor: ProcessIdentity, signal: 'SIGTERM' | 'SIGCONT'): boolean {
  if (stateOf(supervisor) !== 'alive') return false;
  try {
    process.kill(supervisor.pid, signal);
    return true;
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ESRCH') return false;
    throw thrown;
  }
}
