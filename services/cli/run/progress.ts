import type { Terminal } from '../terminal/terminal.ts';
import { createRateMeter, evaluationLine, plainLine, progressLine, warningLines } from './progress-line.ts';
import type { ProgressStatus } from './progress-line.ts';

/** Shows each status: a line per event, and on a terminal a live line below them. */
export function createProgress(
  terminal: Terminal,
  now: () => number = () => performance.now(),
): (status: ProgressStatus) => void {
  const meter = createRateMeter();
  let before: ProgressStatus | undefined;
  return (status) => {
    const rate = meter.observe(status, now());
    const lines = [plainLine(before, status), evaluationLine(before, status), ...warningLines(before, status)];
    for (const line of lines) if (line !== undefined) terminal.err(line);
    before = status;
    if (terminal.interactive) terminal.status(progressLine(status, rate, terminal.columns));
  };
}
