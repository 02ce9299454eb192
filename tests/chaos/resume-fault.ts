import { sleep } from '#platform/async/sleep.ts';
import { guardian, supervisor } from './fault-cards.ts';
import type { Fault } from './fault-plan.ts';
import { childrenOf, guardianOf, programOf } from './fleet-processes.ts';
import type { ProcessFacts } from './fleet-processes.ts';
import type { GradusRun } from './gradus-run.ts';
import type { Hit } from './inject-fault.ts';
import { send } from './recovery.ts';
import type { ChaosFleet } from './chaos-fleet.ts';

/** A drain finishes the step in progress. */
const longestStopMs = 60_000;

/** Faults that end with `gradus resume` by hand. When the run went on again is seen on its streams. */
export async function resumeFault(fault: Fault, fleet: ChaosFleet): Promise<Hit> {
  const notes: string[] = [];
  const { run } = fleet;
  const own = await guardianOf(run.pid);
  const others = fault.targets.filter(({ label }) => label !== supervisor.label && label !== guardian.label);
  const pids: number[] = [];
  for (const { label } of others) pids.push((await fleet.service(label, AbortSignal.timeout(30_000))).pid);
  await fleet.expectEnd();
  const atMs = Date.now();
  const resumed = async (started?: GradusRun): Promise<Hit> => {
    const { atMs: fromMs, ends } = await fleet.resume(started);
    notes.push(...ends.map((end) => `the start ended with ${end}; it was resumed again`));
    return { atMs, fromMs, excusedUntilMs: fromMs, recoveredAtMs: Date.now(), notes };
  };
  switch (fault.action) {
    case 'stop':
      send(run.pid, 'SIGTERM');
      notes.push(...(await stopped(run)));
      return await resumed();
    case 'kill-in-stop':
      send(run.pid, 'SIGTERM');
      await sleep(fault.durationMs, undefined);
      for (const pid of pids.length === 0 ? [run.pid] : pids) send(pid, 'SIGKILL');
      notes.push(...(await stopped(run)));
      return await resumed();
    case 'kill-in-start': {
      send(run.pid, 'SIGKILL');
      await run.exited;
      const starting = await fleet.start('resume', fleet.runId);
      await sleep(fault.durationMs, undefined);
      if (others.length === 0) {
        send(starting.pid, 'SIGKILL');
        await starting.exited;
        return await resumed();
      }
      const child = await startedLast(starting);
      if (child === undefined) return { ...(await resumed(starting)), label: 'nothing that was starting' };
      send(child.pid, 'SIGKILL');
      return { ...(await resumed(starting)), label: programOf(child) };
    }
    default:
      if (own !== undefined && fault.targets.some(({ label }) => label === guardian.label)) send(own.pid, 'SIGKILL');
      for (const pid of pids) send(pid, 'SIGKILL');
      send(run.pid, 'SIGKILL');
      await run.exited;
      return await resumed();
  }
}

/** The service that is being started just now; the first one begins when what was left behind is gone. */
async function startedLast(starting: GradusRun): Promise<ProcessFacts | undefined> {
  while (starting.exit === undefined) {
    const children = (await childrenOf(starting.pid)).filter((child) => programOf(child) !== '');
    const [last] = children.toSorted((a, b) => b.startedTicks - a.startedTicks || b.pid - a.pid);
    if (last !== undefined) return last;
    await sleep(20, undefined);
  }
  return undefined;
}

async function stopped(run: GradusRun): Promise<readonly string[]> {
  const late = sleep(longestStopMs, undefined).then(() => 'late');
  const how = await Promise.race([run.exited, late]);
  if (how !== 'late') return [];
  send(run.pid, 'SIGKILL');
  await run.exited;
  return [`the run went on for ${longestStopMs / 1000} s after it was asked to stop; its supervisor was killed`];
}
