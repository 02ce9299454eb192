import { describeExit } from '../fleet/child-service.ts';
import type { FleetOptions } from '../fleet/start-fleet.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** Tells the person at the terminal what happens to the fleet. */
export function fleetEvents(terminal: Terminal): FleetOptions['events'] {
  const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`;
  return {
    started: (label, ready) => {
      terminal.err(terminal.colours.dim(`  ${label.padEnd(12)} ${ready.grpc ?? ready.nats ?? ''}`));
    },
    died: (label, exit, backoffMs) =>
      terminal.err(`${label} has died (${describeExit(exit)}); it is started again in ${seconds(backoffMs)}`),
    restarted: (label, pid) => terminal.err(`${label} is back (process ${pid})`),
    restartFailed: (label, error, backoffMs) => {
      terminal.err(`${label} could not be started again: ${error.message}; next try in ${seconds(backoffMs)}`);
    },
  };
}
