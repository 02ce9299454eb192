import { sleep } from '#shared/async/sleep.ts';
import { TransientError } from '#shared/errors.ts';
import { isAlive } from '#shared/runtime/is-alive.ts';
import { readFleetFile } from '../../services/cli/fleet/fleet-file.ts';
import type { FleetFile } from '../../services/cli/fleet/fleet-file.ts';
import type { Fault } from './fault-plan.ts';
import type { LiveRun } from './live-run.ts';
import type { FaultRecord } from './recovery-table.ts';
import { createWorkProbe, firstWork } from './work-probe.ts';

type FleetService = FleetFile['services'][number];

const startTimeoutMs = 120_000;
/** How long a recovery is watched. */
const recoveryTimeoutMs = 300_000;

/** Signals the process that the fault names and watches until its service works again. */
export async function injectFault(
  fault: Fault,
  home: string,
  live: LiveRun,
  signal: AbortSignal,
): Promise<FaultRecord> {
  const service = await runningService(home, fault.target.label, signal);
  const phase = live.phase;
  const factsBefore = live.facts;
  const atMs = Date.now();
  send(service.pid, fault.action === 'kill' ? 'SIGKILL' : 'SIGSTOP');
  if (fault.action === 'freeze') {
    try {
      await sleep(fault.freezeMs, signal);
    } finally {
      send(service.pid, 'SIGCONT');
    }
  }
  const fromMs = Date.now();
  const recoveredAtMs = await recovery(service, { fault, home, live, factsBefore, signal });
  return {
    number: fault.number,
    label: fault.target.label,
    service: fault.target.service,
    action: fault.action,
    freezeMs: fault.freezeMs,
    atMs,
    phase,
    recoveredMs: recoveredAtMs === undefined ? undefined : recoveredAtMs - fromMs,
  };
}

interface Watched {
  readonly fault: Fault;
  readonly home: string;
  readonly live: LiveRun;
  readonly factsBefore: number;
  readonly signal: AbortSignal;
}

/** When the service did its work again, in Unix milliseconds. What that means depends on the work. */
async function recovery(service: FleetService, watched: Watched): Promise<number | undefined> {
  const { fault, home, live, factsBefore, signal } = watched;
  using probe = createWorkProbe(service);
  const ask = async (): Promise<unknown> => {
    if (probe !== undefined) return probe.ask();
    switch (service.service) {
      case 'nats':
        return live.confirmPublish();
      case 'rollout':
        return await serves(home, fault, service.pid);
      default:
        // A coordinator: its next fact is on the ledger.
        return mustHold(live.facts > factsBefore || live.phase === 'end');
    }
  };
  return await firstWork(ask, recoveryTimeoutMs, signal);
}

/** The worker (after a kill its replacement) serves, so it pulls; when its rollouts run again is seen on the streams. */
async function serves(home: string, fault: Fault, signalledPid: number): Promise<void> {
  const now = (await readFleetFile(home))?.services.find(({ label }) => label === fault.target.label);
  mustHold(now !== undefined && (fault.action === 'freeze' || now.pid !== signalledPid));
  const response = await fetch(`http://${now?.metrics ?? ''}/healthz`, { signal: AbortSignal.timeout(1_000) });
  mustHold(response.ok);
}

function mustHold(condition: boolean): void {
  if (!condition) throw new TransientError('unavailable', 'not yet');
}

/** The service as it runs now: after an earlier fault its replacement. */
async function runningService(home: string, label: string, signal: AbortSignal): Promise<FleetService> {
  const untilMs = Date.now() + startTimeoutMs;
  for (;;) {
    const found = (await readFleetFile(home))?.services.find((each) => each.label === label);
    if (found !== undefined && isAlive(found.pid)) return found;
    if (Date.now() > untilMs) throw new TransientError('unavailable', `${label} does not run in ${home}`);
    await sleep(20, signal);
  }
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // Gone already: a fault that came together with this one ended it.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
