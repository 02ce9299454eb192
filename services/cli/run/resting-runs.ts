import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { errorFrom } from '#platform/errors.ts';
import { runFileNames, runsIn, type UnreadableRun } from '#run/directory/places.ts';
import { readRunSummary, type RunSummary } from '#run/directory/run-summary.ts';
import { formatDuration, plural } from '../terminal/format.ts';
import { homeFlag } from './resume-hint.ts';

/** A run that no fleet leads, as its files have it. */
export interface RestingRun {
  readonly run: string;
  /** `interrupted`: it was killed, and goes on where it is resumed. */
  readonly state: string;
  /** Optimizer steps that a resume does not repeat. */
  readonly safeSteps: number;
  readonly text: string;
}

export interface RestingRuns {
  readonly runs: readonly RestingRun[];
  readonly unreadable: readonly UnreadableRun[];
}

/** The runs of a home that are not among `live`. What cannot be read of one hides no other. */
export async function restingRuns(home: string, live: ReadonlySet<string>): Promise<RestingRuns> {
  const lying = await runsIn(home);
  const unreadable = [...lying.unreadable];
  const runs: RestingRun[] = [];
  for (const run of lying.ids.filter((id) => !live.has(id))) {
    try {
      runs.push(await describe(home, run));
    } catch (thrown) {
      unreadable.push({ run, reason: errorFrom(thrown).message });
    }
  }
  return { runs, unreadable };
}

async function describe(home: string, run: string): Promise<RestingRun> {
  const directory = join(home, run);
  const summary = await readRunSummary(directory);
  const last = await lastStep(directory);
  const safeSteps = Math.max(last?.step ?? 0, summary === undefined ? 0 : stepsOf(summary));
  const resume = `gradus resume ${run}${homeFlag(home)}`;
  if (summary !== undefined && !['new', 'running'].includes(summary.state)) {
    const { state, wallSeconds } = summary;
    const words = state.replaceAll('_', ' ');
    const isOver = state === 'finished' || state === 'nothing_to_learn';
    const how = isOver ? words : `${words}; ${resume} continues it`;
    const text = `run ${run}: stage ${summary.stages.length}, ${plural(safeSteps, 'step')}, ${formatDuration(wallSeconds * 1000)}, ${how}`;
    return { run, state, safeSteps, text };
  }
  // Whatever its files say last, nobody leads it.
  const safe =
    last === undefined ? 'no step is safe yet' : `${plural(safeSteps, 'step')} safe, the last in stage ${last.stage}`;
  return { run, state: 'interrupted', safeSteps, text: `run ${run}: interrupted, ${safe}; ${resume} continues it` };
}

const stepsOf = ({ stages }: RunSummary): number => stages.reduce((sum, { steps }) => sum + steps, 0);

interface Step {
  readonly step: number;
  readonly stage: string;
}

/** Lines have a few kilobytes; this holds the last step and the evaluations after it. */
const tailBytes = 262_144;

/** The newest step in metrics.jsonl, which gets a line when a step is committed. A last line may be half written. */
async function lastStep(directory: string): Promise<Step | undefined> {
  let file;
  try {
    file = await open(join(directory, runFileNames.metrics));
  } catch (thrown) {
    if (Object(thrown).code === 'ENOENT') return undefined;
    throw thrown;
  }
  await using metrics = file;
  const { size } = await metrics.stat();
  const buffer = Buffer.alloc(Math.min(size, tailBytes));
  await metrics.read(buffer, 0, buffer.length, size - buffer.length);
  return buffer
    .toString('utf8')
    .split('\n')
    .map(stepOf)
    .findLast((step) => step !== undefined);
}

function stepOf(line: string): Step | undefined {
  try {
    const { kind, step, stage } = Object(JSON.parse(line)) as Readonly<Record<string, unknown>>;
    return kind === 'step' && typeof step === 'number' ? { step, stage: String(stage) } : undefined;
  } catch {
    // The first line of the tail and one that is being written are parts of lines.
    return undefined;
  }
}
