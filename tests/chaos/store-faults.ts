import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '#platform/async/sleep.ts';
import { streams } from '#platform/nats/streams.ts';
import type { Fault } from './fault-plan.ts';
import { processFacts } from './fleet-processes.ts';
import type { Hit } from './inject-fault.ts';
import { isGone, recoveryOf, send } from './recovery.ts';
import type { StoreDisk } from './store-disk.ts';
import type { ChaosFleet } from './chaos-fleet.ts';

/** How long deliveries, and after them further steps, are waited for. */
const waitMs = 60_000;
/** Until NATS is restarted by us, so that the run can go on. */
const healMs = 60_000;

/**
 * NATS comes back with a consumer that holds deliveries of messages which are gone: 2.9 writes that state now and then
 * only, so a kill can do it; here it is certain. Saved while deliveries are pending, put back after further steps.
 */
export async function staleState(fault: Fault, fleet: ChaosFleet, signal: AbortSignal): Promise<Hit> {
  const consumer = fault.targets[0]?.label ?? '';
  const stream = join(fleet.home, 'nats/store/jetstream/$G/streams', streams.tasks);
  const state = join(stream, 'obs', consumer);
  const saved = join(fleet.home, `${consumer}.saved`);
  const { live } = fleet;
  const notes: string[] = [];
  const wait = async (holds: () => boolean | Promise<boolean>): Promise<boolean> => {
    const untilMs = Date.now() + waitMs;
    while (!(await holds())) {
      if (Date.now() > untilMs || live.phase === 'end') return false;
      await sleep(20, signal);
    }
    return true;
  };
  const pending = async (): Promise<number> => {
    try {
      return (await live.nats.jsm.consumers.info(streams.tasks, consumer)).num_ack_pending;
    } catch {
      // NATS was hit a moment ago.
      return 0;
    }
  };
  const save = async (): Promise<void> => {
    await rm(saved, { recursive: true, force: true });
    await cp(state, saved, { recursive: true });
  };
  let most = 0;
  const isPending = await wait(async () => {
    const now = await pending();
    most = Math.max(most, now);
    return now >= 4;
  });
  // The server writes it a little after it is so.
  await sleep(300, signal);
  await save();
  if (!isPending) notes.push(`${consumer} had no more than ${most} deliveries pending within ${waitMs / 1000} s`);
  const { steps } = live;
  await wait(() => live.steps >= steps + 2);

  const service = await fleet.service('nats', signal);
  const { pid } = service;
  const { progress, facts } = live;
  const atMs = Date.now();
  // Its supervisor would start it again before the files are in place.
  send(fleet.run.pid, 'SIGSTOP');
  try {
    send(pid, 'SIGKILL');
    await goneOrZombie(pid, signal);
    await rm(state, { recursive: true, force: true });
    await cp(saved, state, { recursive: true });
  } finally {
    send(fleet.run.pid, 'SIGCONT');
  }
  const recoveredAtMs = await recoveryOf(fleet, { service, progress, facts }, { replaced: true, signal });
  return { atMs, fromMs: atMs, recoveredAtMs, notes };
}

/** A parent that is stopped does not wait for it, but it holds no file any more. */
async function goneOrZombie(pid: number, signal: AbortSignal): Promise<void> {
  while ((await processFacts(pid)) !== undefined) await sleep(5, signal);
}

/** No room for NATS to write for a while; then there is again. */
export async function fullDisk(fault: Fault, fleet: ChaosFleet, disk: StoreDisk, signal: AbortSignal): Promise<Hit> {
  const atMs = Date.now();
  await disk.fill();
  try {
    await sleep(fault.durationMs, signal);
  } finally {
    await disk.free();
  }
  const fromMs = Date.now();
  const { progress, facts } = fleet.live;
  const watched = AbortSignal.any([signal, AbortSignal.timeout(healMs)]);
  const before = { service: undefined, progress, facts };
  const recoveredAtMs = await recoveryOf(fleet, before, { replaced: false, signal: watched });
  if (recoveredAtMs !== undefined) return { atMs, fromMs, excusedUntilMs: fromMs, recoveredAtMs };
  const { pid } = await fleet.service('nats', signal);
  send(pid, 'SIGKILL');
  await isGone(pid, healMs, signal);
  const byHandAtMs = await recoveryOf(fleet, before, { replaced: false, signal });
  const again = byHandAtMs === undefined ? 'and that did not heal it' : 'then it went on';
  const note = `NATS did not go on within ${healMs / 1000} s of there being room; it was killed by hand, ${again}`;
  return { atMs, fromMs, excusedUntilMs: fromMs, recoveredAtMs: byHandAtMs, notes: [note] };
}
