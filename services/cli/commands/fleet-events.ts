import { describeFullDisk } from '#fleet/disk/watch-disks.ts';
import { describeExit } from '#fleet/child-service.ts';
import { describeLeftBehind } from '#fleet/claim-home.ts';
import type { FleetOptions } from '#fleet/start-fleet.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** Reports to the person at the terminal what happens to the fleet. */
export function fleetEvents(terminal: Terminal): FleetOptions['events'] {
  const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`;
  return {
    started: (label, ready) => {
      terminal.err(terminal.colours.dim(`  ${label.padEnd(12)} ${ready.grpc ?? ready.nats ?? ''}`));
      // Until the next line; the engine alone may take many seconds.
      terminal.status('starting services');
    },
    starting: (label, what, forMs) =>
      terminal.err(`${label}${what === undefined ? '' : `: ${what}`} is loading, ${(forMs / 1000).toFixed(0)} s`),
    leftBehind: (processes) => terminal.err(describeLeftBehind(processes)),
    died: (label, exit, backoffMs) =>
      terminal.err(`${label} has died (${describeExit(exit)}); it is started again in ${seconds(backoffMs)}`),
    hung: (label, { silentMs, reason }, backoffMs) =>
      terminal.err(
        `${label} lives and has not answered for ${seconds(silentMs)} (${reason}); it is killed, and started again in ${seconds(backoffMs)}`,
      ),
    notServing: (label, forMs) =>
      terminal.err(
        `${label} answers that it does not serve, for ${seconds(forMs)} now; it is left as it is, and its log says why`,
      ),
    restarted: (label, pid) => terminal.err(`${label} is back (process ${pid})`),
    moved: (label, from, to, restarted) =>
      terminal.err(
        `${label} has moved from ${from} to ${to}, because another process has its port` +
          (restarted.length === 0 ? '' : `; started again with the new address: ${restarted.join(', ')}`),
      ),
    disk: diskEvents(terminal),
    restartFailed: (label, error, backoffMs) => {
      terminal.err(`${label} could not be started: ${error.message}; next try in ${seconds(backoffMs)}`);
    },
  };
}

export function diskEvents(terminal: Terminal): FleetOptions['events']['disk'] {
  return {
    full: (disk) => terminal.err(describeFullDisk(disk)),
    hasRoom: ({ path }, afterMs) =>
      terminal.err(`the disk of ${path} has room again after ${(afterMs / 1000).toFixed(0)} s; the run goes on`),
  };
}
