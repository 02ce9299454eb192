import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import { sleep } from '#platform/async/sleep.ts';
import { guardian, supervisor } from './fault-cards.ts';
import type { Target } from './fault-cards.ts';
import type { Fault } from './fault-plan.ts';
import { childrenOf, guardianOf, isSameService, processFacts, scorerOf } from './fleet-processes.ts';
import type { Hit } from './inject-fault.ts';
import { isGone, recoveryOf, send } from './recovery.ts';
import type { Before } from './recovery.ts';
import type { FleetService, ChaosFleet } from './chaos-fleet.ts';

/** How long something that hangs may do so until we end it ourselves. */
const longestHangMs = 60_000;
/** The next process of a service is looked for; its start begins 0.2 to 10 s after the death of the one before. */
const restartTimeoutMs = 30_000;

interface Victim {
  readonly pid: number;
  readonly service: FleetService | undefined;
}

/** One fault of one or two processes, at the same moment. */
export async function hitServices(fault: Fault, fleet: ChaosFleet, signal: AbortSignal): Promise<Hit> {
  const victims: Victim[] = [];
  for (const target of fault.targets) victims.push(await victimOf(target, fleet, signal));
  const { progress, facts } = fleet.live;
  const atMs = Date.now();
  const hits = await Promise.all(
    victims.map(async (victim) => {
      const { fromMs, notes, replaced } = await hit(fault, victim, fleet, signal);
      const before: Before = { service: victim.service, progress, facts };
      return { fromMs, notes, recoveredAtMs: await recoveryOf(fleet, before, { replaced, signal }) };
    }),
  );
  const recovered = hits.flatMap(({ recoveredAtMs }) => recoveredAtMs ?? []);
  return {
    atMs,
    fromMs: Math.max(...hits.map(({ fromMs }) => fromMs)),
    recoveredAtMs: recovered.length < hits.length ? undefined : Math.max(...recovered),
    notes: hits.flatMap(({ notes }) => notes),
  };
}

async function victimOf({ label }: Target, fleet: ChaosFleet, signal: AbortSignal): Promise<Victim> {
  switch (label) {
    case supervisor.label:
      return { pid: fleet.run.pid, service: undefined };
    case guardian.label:
      // A dead one is hit no more: the fault then does nothing.
      return { pid: (await guardianOf(fleet.run.pid))?.pid ?? 0, service: undefined };
    case 'scorer':
      for (;;) {
        const { pid } = await fleet.service('reward', signal);
        const found = await scorerOf(pid);
        if (found !== undefined) return { pid: found.pid, service: undefined };
        await sleep(50, signal);
      }
    default: {
      const service = await fleet.service(label, signal);
      return { pid: service.pid, service };
    }
  }
}

interface Done {
  readonly fromMs: number;
  readonly notes: readonly string[];
  /** Another process has to serve now. */
  readonly replaced: boolean;
}

async function hit(fault: Fault, victim: Victim, fleet: ChaosFleet, signal: AbortSignal): Promise<Done> {
  const { pid, service } = victim;
  const atMs = Date.now();
  if (pid === 0) return { fromMs: atMs, notes: [], replaced: false };
  switch (fault.action) {
    case 'freeze':
      send(pid, 'SIGSTOP');
      try {
        await sleep(fault.durationMs, signal);
      } finally {
        send(pid, 'SIGCONT');
      }
      return { fromMs: Date.now(), notes: [], replaced: false };
    case 'hang':
      return await hang(victim, signal);
    case 'kill-in-restart':
      return await killTwice(victim, fleet, signal);
    case 'port-taken': {
      const port = Number((service?.grpc ?? service?.nats ?? service?.metrics ?? '').split(':').at(-1));
      send(pid, 'SIGKILL');
      await holdPort(port, fault.durationMs, signal);
      return { fromMs: atMs, notes: [], replaced: true };
    }
    default:
      send(pid, 'SIGKILL');
      return { fromMs: atMs, notes: [], replaced: service !== undefined };
  }
}

async function hang({ pid, service }: Victim, signal: AbortSignal): Promise<Done> {
  const fromMs = Date.now();
  send(pid, 'SIGSTOP');
  try {
    if (await isGone(pid, longestHangMs, signal)) return { fromMs, notes: [], replaced: true };
  } finally {
    send(pid, 'SIGCONT');
  }
  const note = `${service?.label ?? `process ${pid}`} hung for ${longestHangMs / 1000} s and nobody restarted it`;
  return { fromMs, notes: [note], replaced: false };
}

async function killTwice({ pid, service }: Victim, fleet: ChaosFleet, signal: AbortSignal): Promise<Done> {
  const old = await processFacts(pid);
  const known = new Set((await childrenOf(fleet.run.pid)).map((each) => each.pid));
  send(pid, 'SIGKILL');
  const untilMs = Date.now() + restartTimeoutMs;
  while (Date.now() < untilMs) {
    const next = (await childrenOf(fleet.run.pid)).find(
      (each) => !known.has(each.pid) && old !== undefined && isSameService(old, each, service?.metrics),
    );
    if (next !== undefined) {
      const fromMs = Date.now();
      send(next.pid, 'SIGKILL');
      return { fromMs, notes: [], replaced: true };
    }
    await sleep(10, signal);
  }
  return { fromMs: Date.now(), notes: ['its restart was not seen, so it was killed once'], replaced: true };
}

/** Listens there as soon as it can and says nothing to anybody. */
async function holdPort(port: number, durationMs: number, signal: AbortSignal): Promise<void> {
  const untilMs = Date.now() + durationMs;
  const sockets = new Set<Socket>();
  while (Date.now() < untilMs) {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    });
    server.listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      // Its owner is not quite gone, or was back first.
      await sleep(5, signal);
      continue;
    }
    try {
      await sleep(Math.max(0, untilMs - Date.now()), signal);
    } finally {
      server.close();
      for (const socket of sockets) socket.destroy();
    }
  }
}
