import type { Terminal } from '../terminal/terminal.ts';
import { createRateMeter, plainLine, progressLine, warningLines } from './progress-line.ts';
import type { ProgressStatus } from './progress-line.ts';

/** Shows each status: one live line on a terminal, a line per event elsewhere. */
export function createProgress(
  terminal: Terminal,
  now: () => number = () => performance.now(),
): (status: ProgressStatus) => void {
  const meter = createRateMeter();
  let before: ProgressStatus | undefined;
  return (status) => {
    const rate = meter.observe(status, now());
    const line = plainLine(before, status);
    for (const warning of warningLines(before, status)) terminal.err(warning);
    before = status;
    if (!terminal.interactive) {
      if (line !== undefined) terminal.err(line);
      return;
    }
    terminal.status(progressLine(status, rate, terminal.columns));
  };
}
