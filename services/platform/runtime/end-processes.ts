import { sleep } from '../async/sleep.ts';
import { stateOf } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';

/** As long as the guardian gives them. */
const graceMs = 5_000;
/** For the kernel to take away what was killed; a process in the middle of a disk access takes longer. */
const killedMs = 5_000;
const pollMs = 50;

/**
 * Ends the process groups that these processes lead: SIGTERM, five seconds, SIGKILL. A process that is not the very one that
 * was meant is left alone. Gives those that still live.
 */
export async function endProcesses(processes: readonly ProcessIdentity[]): Promise<readonly ProcessIdentity[]> {
  signalAll(processes, 'SIGTERM');
  if ((await afterWaiting(processes, graceMs)).length === 0) return [];
  signalAll(processes, 'SIGKILL');
  return await afterWaiting(processes, killedMs);
}

function living(processes: readonly ProcessIdentity[]): readonly ProcessIdentity[] {
  return processes.filter((each) => stateOf(each) === 'alive');
}

function signalAll(processes: readonly ProcessIdentity[], signal: NodeJS.Signals): void {
  for (const { pid } of living(processes)) {
    try {
      process.kill(-pid, signal);
      // One that was stopped would not take the signal.
      process.kill(-pid, 'SIGCONT');
    } catch (error) {
      // Ended meanwhile: that is what was wanted.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

async function afterWaiting(
  processes: readonly ProcessIdentity[],
  limitMs: number,
): Promise<readonly ProcessIdentity[]> {
  const untilMs = performance.now() + limitMs;
  for (;;) {
    const left = living(processes);
    if (left.length === 0 || performance.now() >= untilMs) return left;
    await sleep(pollMs, undefined);
  }
}
