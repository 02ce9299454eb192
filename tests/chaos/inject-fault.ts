import { needsResume } from './fault-cards.ts';
import type { Fault } from './fault-plan.ts';
import { hitServices } from './hit-services.ts';
import type { FaultRecord } from './recovery-table.ts';
import { resumeFault } from './resume-fault.ts';
import type { StoreDisk } from './store-disk.ts';
import { fullDisk, staleState } from './store-faults.ts';
import type { ChaosFleet } from './chaos-fleet.ts';

/** What a fault did, as far as it is seen from outside while it goes on. */
export interface Hit {
  /** Unix milliseconds of the first signal. */
  readonly atMs: number;
  /** From when on it could heal: the kill, the end of the freeze, the resume, the room on the disk. */
  readonly fromMs: number;
  readonly recoveredAtMs: number | undefined;
  /** No restart could heal from its begin until then. */
  readonly excusedUntilMs?: number;
  /** What was hit, where that is known only then. */
  readonly label?: string;
  /** What was not as it should be. */
  readonly notes?: readonly string[];
}

/** Makes a fault and watches until what it hit works again. */
export async function injectFault(
  fault: Fault,
  fleet: ChaosFleet,
  disk: StoreDisk | undefined,
  signal: AbortSignal,
): Promise<FaultRecord> {
  const { phase } = fleet.live;
  const hit = await make(fault, fleet, disk, signal);
  const { atMs, fromMs, recoveredAtMs, excusedUntilMs, notes } = hit;
  return {
    number: fault.number,
    label: hit.label ?? fault.targets.map(({ label }) => label).join(' + '),
    service: serviceOf(fault),
    action: fault.action,
    atMs,
    fromMs,
    ...(excusedUntilMs !== undefined && { excusedUntilMs }),
    phase,
    recoveredMs: recoveredAtMs === undefined ? undefined : Math.max(0, recoveredAtMs - fromMs),
    notes: notes ?? [],
  };
}

async function make(fault: Fault, fleet: ChaosFleet, disk: StoreDisk | undefined, signal: AbortSignal): Promise<Hit> {
  if (needsResume(fault)) return await resumeFault(fault, fleet);
  switch (fault.action) {
    case 'stale-state':
      return await staleState(fault, fleet, signal);
    case 'full-disk':
      if (disk === undefined) throw new TypeError('a full disk is planned only where the store has one of its own');
      return await fullDisk(fault, fleet, disk, signal);
    default:
      return await hitServices(fault, fleet, signal);
  }
}

function serviceOf({ targets, action }: Fault): string {
  if (targets.length > 1)
    return needsResume({ targets, action }) ? targets.map(({ label }) => label).join(' + ') : 'two at once';
  return targets[0]?.service ?? '';
}
