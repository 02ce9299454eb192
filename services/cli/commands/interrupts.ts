import { exitCodes } from '../exit-codes.ts';

export interface Interrupts {
  /** Replaces what the first Ctrl-C (or SIGTERM, SIGHUP) does. */
  onFirst(act: () => void): void;
  onSecond(act: () => void): void;
  release(): void;
}

/** Counts requests to stop. A third one ends this process; the guardian then ends the fleet. */
export function watchInterrupts(): Interrupts {
  let count = 0;
  let first = (): void => {};
  let second = (): void => {};
  const onSignal = (): void => {
    count += 1;
    if (count === 1) first();
    else if (count === 2) second();
    else process.exit(exitCodes.stopped);
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, onSignal);
  return {
    onFirst: (act) => (first = act),
    onSecond: (act) => (second = act),
    release: () => {
      for (const name of names) process.off(name, onSignal);
    },
  };
}
