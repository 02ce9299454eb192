import { mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { runFileNames } from '#run/directory/places.ts';
import { writeAtomically } from '#platform/files/write-atomically.ts';
import { exitCodes } from '../exit-codes.ts';
import { logToTracker } from '../export/log-to-tracker.ts';
import { readMetricsPoints } from '../export/metrics-points.ts';
import { tensorboardEvents } from '../export/tensorboard-events.ts';
import { plural } from '../terminal/format.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface ExportMetricsOptions {
  readonly home: string;
  readonly to: 'tensorboard' | 'trackio' | 'wandb';
  readonly out?: string;
  readonly project: string;
  readonly python: string;
}

/** Gives metrics.jsonl of a run to a tracker; while the run goes on, what there is so far. */
export async function exportMetricsCommand(
  run: string,
  { home, to, out, project, python }: ExportMetricsOptions,
  terminal: Terminal,
): Promise<number> {
  const directory = resolve(home);
  const points = await readMetricsPoints(directory, run);
  if (to === 'tensorboard') {
    const folder = join(resolve(out ?? join(directory, 'tensorboard')), run);
    await mkdir(folder, { recursive: true });
    // One name for a run: exported again it is replaced, and TensorBoard shows no point twice.
    await writeAtomically(join(folder, 'events.out.tfevents.0.gradus'), tensorboardEvents(points));
    terminal.err(`${plural(points.length, 'line')} of metrics in ${folder}`);
  } else {
    const config: unknown = JSON.parse(await readFile(join(directory, run, runFileNames.recipe), 'utf8'));
    await logToTracker({ tracker: to, python, project, run, config, points });
    terminal.err(`${plural(points.length, 'line')} of metrics are in ${to}, project ${project}, run ${run}`);
  }
  return exitCodes.ok;
}
