import { sleep } from '#platform/async/sleep.ts';
import { TransientError } from '#platform/errors.ts';
import type { EngineMember } from './engine-member.ts';
import type { EnginePool } from './engine-pool.ts';

const LOOK_MS = 20;

/**
 * Lets an engine finish what runs there, for at most `drainMs` or until the caller gives up; the rest moves. Gives the
 * number of requests that moved, or undefined when the engine was added again meanwhile.
 */
export async function removeMember(
  pool: EnginePool,
  member: EngineMember,
  drainMs: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { address } = member;
  pool.setDraining(address);
  const endMs = performance.now() + drainMs;
  for (;;) {
    const entry = pool.entry(address);
    if (entry?.state !== 'draining') return undefined;
    if (entry.inFlight === 0 || performance.now() >= endMs || signal.aborted) {
      if (entry.inFlight > 0) member.abandon(new TransientError('unavailable', 'it is removed'));
      return entry.inFlight;
    }
    await sleep(LOOK_MS, signal).catch(() => undefined);
  }
}
