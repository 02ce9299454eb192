import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { repositoryRoot } from '#platform/repository.ts';
import type { MetricsPoint } from './metrics-points.ts';

export interface TrackedRun {
  readonly tracker: 'trackio' | 'wandb';
  readonly python: string;
  readonly project: string;
  readonly run: string;
  /** The resolved recipe. */
  readonly config: unknown;
  readonly points: readonly MetricsPoint[];
}

const packageMissing = 3;

/** Through the tracker's own package, in the user's Python; what it says goes to stderr. */
export async function logToTracker({ tracker, python, project, run, config, points }: TrackedRun): Promise<void> {
  const script = join(repositoryRoot, 'services/cli/export/log_metrics.py');
  const child = spawn(python, [script, tracker, project, run], { stdio: ['pipe', process.stderr, 'pipe'] });
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said = (said + data.toString()).slice(-4_000);
    process.stderr.write(data);
  });
  // One that ended before it has read everything says why.
  child.stdin.on('error', () => {});
  child.stdin.end(`${[config, ...points].map((each) => JSON.stringify(each)).join('\n')}\n`);
  const code = await new Promise<number | NodeJS.Signals | Error>((resolve) => {
    child.once('error', resolve);
    child.once('close', (exit, signal) => resolve(exit ?? signal ?? 'SIGKILL'));
  });
  if (code === 0) return;
  if (code instanceof Error)
    throw new TerminalError(
      'failed_precondition',
      `--python: ${python} cannot be started: ${code.message}; name a Python 3.11 or later`,
    );
  if (code === packageMissing)
    throw new TerminalError(
      'failed_precondition',
      `--to ${tracker}: ${python} does not have the package ${tracker}; install it (${python} -m pip install ${tracker}), or name a Python that has it with --python`,
    );
  throw new TerminalError(
    'failed_precondition',
    `${tracker} did not take the metrics (${code}): ${said.trim().split('\n').at(-1) ?? 'it said nothing'}`,
  );
}
