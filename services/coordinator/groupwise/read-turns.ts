import { TerminalError } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import type { GetOptions } from '#platform/nats/messages.ts';
import { decodeTrajectory } from '#trajectory/encode-trajectory.ts';
import { unpackScore } from '#trajectory/recorded-score.ts';
import type { Sample } from '../groups/group.ts';
import { readTrajectory } from '../groups/read-trajectory.ts';

/** What the policy wrote in a sample, turn by turn, as it was scored: from its trajectory, since results are small. */
export async function readTurns(
  nats: Nats,
  runId: string,
  { taskId, result }: Sample,
  options: Pick<GetOptions, 'signal' | 'timeoutMs'>,
): Promise<readonly string[]> {
  const trajectorySequence = result?.trajectorySequence ?? 0n;
  const recorded = unpackScore(
    await decodeTrajectory(await readTrajectory(nats, runId, { taskId, trajectorySequence }, options)),
  );
  if (recorded === undefined)
    throw new TerminalError(
      'failed_precondition',
      `the trajectory of sample ${taskId} does not hold what was scored: its rollout worker is of an earlier version, or compared: ` +
        'transcript needs a newer one; update the workers',
    );
  return recorded.item.turns.map(({ text }) => text);
}
