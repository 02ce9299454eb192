import { sleep } from '#platform/async/sleep.ts';
import { TransientError } from '#platform/errors.ts';
import { isAlive } from '#platform/runtime/process-identity.ts';
import { readFleetFile } from '../../services/fleet/fleet-file.ts';
import type { ChaosFleet, FleetService } from './chaos-fleet.ts';
import { type WorkProbe, createWorkProbe, firstWork } from './work-probe.ts';

/** How long a recovery is watched. */
const recoveryTimeoutMs = 90_000;

/** What a service, or the run, was before a fault. */
export interface Before {
  readonly service: FleetService | undefined;
  /** Facts and first results that were seen. */
  readonly progress: number;
  readonly facts: number;
}

/** When it did its work again, in Unix milliseconds; undefined when it was not seen to. What that means depends on the work. */
export async function recoveryOf(
  fleet: ChaosFleet,
  { service: hit, progress, facts }: Before,
  { replaced, signal }: { replaced: boolean; signal: AbortSignal },
): Promise<number | undefined> {
  const { live } = fleet;
  let asked: { probe: WorkProbe | undefined; grpc: string | undefined } | undefined;
  const ask = async (): Promise<unknown> => {
    if (hit === undefined) return mustHold(live.progress > progress || live.phase === 'end');
    const now = (await readFleetFile(fleet.home))?.services.find(({ label }) => label === hit.label);
    if (now === undefined) return mustHold(live.phase === 'end');
    mustHold(!replaced || now.pid !== hit.pid);
    switch (hit.service) {
      case 'nats':
        return live.confirmPublish();
      case 'rollout':
      case 'scripted-judge':
        return await serves(now);
      case 'coordinator':
        return mustHold(live.facts > facts || live.phase === 'end');
      default:
        if (asked === undefined || asked.grpc !== now.grpc) {
          asked?.probe?.[Symbol.dispose]();
          asked = { grpc: now.grpc, probe: createWorkProbe(now) };
        }
        return await asked.probe?.ask();
    }
  };
  try {
    return await firstWork(ask, recoveryTimeoutMs, signal);
  } finally {
    asked?.probe?.[Symbol.dispose]();
  }
}

/** It answers at all; when a worker's rollouts run again is seen on the streams. */
async function serves({ metrics }: FleetService): Promise<void> {
  const response = await fetch(`http://${metrics ?? ''}/healthz`, { signal: AbortSignal.timeout(1_000) });
  mustHold(response.ok);
}

export function mustHold(condition: boolean): void {
  if (!condition) throw new TransientError('unavailable', 'not yet');
}

/** False when the process is still there after `timeoutMs`. */
export async function isGone(pid: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const untilMs = performance.now() + timeoutMs;
  while (isAlive(pid)) {
    if (performance.now() > untilMs) return false;
    await sleep(20, signal);
  }
  return true;
}

export function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // Gone already: a fault that came together with this one ended it.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
