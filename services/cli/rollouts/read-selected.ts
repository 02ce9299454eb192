import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import type { Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { createCountedRollouts } from '#run/rollouts/counted-rollouts.ts';
import { readResults, readTrajectory } from '#run/rollouts/results.ts';
import { recordedTask } from '#trajectory/recorded-task.ts';
import { inOrder, isSelected, type FoundRollout, type Selection } from './select-rollouts.ts';
import { plural } from '../terminal/format.ts';

export interface ReadRollout extends FoundRollout {
  /** Absent where the platform failed before one was written, or the stream keeps it no longer. */
  readonly recorded: { readonly trajectory: Trajectory; readonly task: RolloutTask } | undefined;
}

export interface Selected {
  readonly run?: string | undefined;
  readonly selection: Selection;
  /** Values that tags of the row have to have. */
  readonly tags: ReadonlyMap<string, string>;
  /** Most that are given; 0 is all. */
  readonly limit: number;
}

/**
 * Rollouts in their order, each with what is recorded of it. Throws TerminalError('not_found') where the run has no rollout at all. `note` gets a line on rollouts whose
 * tags are not known.
 */
export async function* readSelected(
  nats: Nats,
  { run, selection, tags, limit }: Selected,
  note: (line: string) => void,
  signal: AbortSignal,
): AsyncGenerator<ReadRollout, void, undefined> {
  const counted = createCountedRollouts(nats, signal);
  const found: FoundRollout[] = [];
  for await (const result of readResults(nats, run, signal)) {
    const rollout = { result, counted: await counted(result) };
    if (isSelected(rollout, selection)) found.push(rollout);
  }
  let given = 0;
  let unknown = 0;
  for (const rollout of inOrder(found, selection)) {
    if (limit > 0 && given >= limit) break;
    const recorded = await readRecorded(nats, rollout, signal);
    if (recorded === undefined && tags.size > 0) unknown += 1;
    if (!hasTags(recorded?.task, tags)) continue;
    given += 1;
    yield { ...rollout, recorded };
  }
  if (unknown > 0) note(`${plural(unknown, 'rollout')} without a trajectory left out: the tags are not known`);
}

async function readRecorded(
  nats: Nats,
  { result }: FoundRollout,
  signal: AbortSignal,
): Promise<ReadRollout['recorded']> {
  try {
    const trajectory = await readTrajectory(nats, result, signal);
    return { trajectory, task: recordedTask(trajectory) };
  } catch (thrown) {
    if (thrown instanceof TerminalError && thrown.code === 'not_found') return undefined;
    throw thrown;
  }
}

function hasTags(task: RolloutTask | undefined, wanted: ReadonlyMap<string, string>): boolean {
  return [...wanted].every(([name, value]) => task?.row?.tags[name] === value);
}
