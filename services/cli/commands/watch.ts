import { resolve } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { readFleetFile } from '#fleet/fleet-file.ts';
import { exitCodeOfState } from './drive-run.ts';
import { exitCodes } from '../exit-codes.ts';
import { fleetCoordinators } from '../run/coordinators.ts';
import { followRun } from '../run/follow-run.ts';
import { stateWord } from '#run/live-status.ts';
import { createProgress } from '../run/progress.ts';
import { createRolloutSampler } from '../run/sample-rollouts.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface WatchCommandOptions {
  readonly home: string;
  readonly server?: string;
  readonly credentials?: string;
  readonly samples: boolean;
}

const callTimeoutMs = 30_000;

/** Follows a run of the fleet in a home until it ends. Ctrl-C ends the watching, never the run. */
export async function watchCommand(runId: string, options: WatchCommandOptions, terminal: Terminal): Promise<number> {
  if (options.server !== undefined) {
    const { watchAt } = await import('../server/submit.ts');
    return await watchAt({ server: options.server, credentials: options.credentials }, runId, terminal);
  }
  const home = resolve(options.home);
  const fleet = await readFleetFile(home);
  if (fleet === undefined)
    throw new TerminalError('not_found', `no fleet runs in ${home}; 'gradus status' lists the runs that lie there`);
  const coordinators = await fleetCoordinators(fleet, callTimeoutMs, { reread: () => readFleetFile(home) });
  const progress = createProgress(terminal);
  const sampler = options.samples ? createRolloutSampler({ home, runId }, terminal) : undefined;
  const leave = new AbortController();
  const onSignal = (): void => leave.abort();
  process.once('SIGINT', onSignal);
  try {
    // An unknown id is refused at once; `followRun` would wait for a coordinator that has just come back.
    await coordinators.ask((client) => client.getRun({ runId }, { timeoutMs: callTimeoutMs }));
    const { state, message, directory } = await followRun(coordinators, runId, leave.signal, (status) => {
      progress(status);
      sampler?.onStatus(status);
    });
    terminal.out(`run ${runId} ${stateWord(state)}${message === '' ? '' : `: ${message}`}; it lies in ${directory}`);
    return exitCodeOfState(state);
  } catch (thrown) {
    if (!leave.signal.aborted) throw thrown;
    terminal.err(`run ${runId} goes on; 'gradus stop ${runId}' stops it`);
    return exitCodes.stopped;
  } finally {
    await sampler?.close();
    process.off('SIGINT', onSignal);
    coordinators.close();
  }
}
