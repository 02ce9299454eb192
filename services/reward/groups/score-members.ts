import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { createRandom } from '#platform/random.ts';
import type { Judge } from '../judge/judge.ts';
import { createGroupAsk } from './ask-judge.ts';
import { compareMembers } from './compare-members.ts';
import type { Comparison, GroupAbsence, GroupTask, MemberScore, Standing } from './group-task.ts';
import { rankMembers } from './rank-members.ts';

export interface GroupReport extends Omit<Standing, 'scores' | 'absences' | 'bias' | 'contradictions' | 'comparisons'> {
  /** By member. */
  readonly scores: readonly (MemberScore & { readonly absent: GroupAbsence | undefined })[];
  readonly absences: ReadonlyMap<GroupAbsence, number>;
  readonly comparisons: readonly Comparison[];
  /** -1..1. */
  readonly positionBias: number;
  /** 0..1. */
  readonly inconsistency: number;
}

/**
 * A group's members against each other. With point-wise values, a better value is above without asking, and only ties are
 * compared; the score is then (members below + score within the tie x (size of the tie - 1)) / (members - 1), so that it
 * stays the share of the group that a member is above.
 * Throws `CancelledError` when `caller` aborts; everything that goes wrong with the judge is in the report.
 */
export async function scoreMembers(task: GroupTask, judge: Judge, caller: AbortSignal): Promise<GroupReport> {
  using deadline = deadlineSignal(caller, task.deadlineMs, 'the group');
  const ask = createGroupAsk(judge, deadline.signal, caller);
  const { pointwiseFirst } = task;
  const everybody = task.texts.map((_, index) => index);
  const ties = pointwiseFirst === undefined ? [everybody] : tieByValue(pointwiseFirst.values, pointwiseFirst.tolerance);
  // At most as many as a group has members, and all of them within the group's own slots.
  const standings = await Promise.all(
    ties.map(async (members, index) => {
      if (members.length === 1 || (pointwiseFirst?.topOnly === true && index > 0))
        return { members, standing: undefined };
      const random = createRandom('group', task.seed, index);
      const standing =
        task.method.kind === 'pairwise'
          ? await compareMembers(members, task, task.method, ask, random)
          : await rankMembers(members, task, task.method, ask, random);
      return { members, standing };
    }),
  );
  const known = standings.flatMap(({ standing }) => (standing === undefined ? [] : [standing]));
  const absences = new Map<GroupAbsence, number>();
  for (const reason of known.flatMap((standing) => standing.absences)) {
    absences.set(reason, (absences.get(reason) ?? 0) + 1);
  }
  const sum = (of: (standing: Standing) => number): number => known.reduce((total, one) => total + of(one), 0);
  const missing = sum((one) => one.missing);
  return {
    scores: memberScores(task, standings, missing > 0 ? mostFrequent(absences) : undefined),
    planned: sum((one) => one.planned),
    judged: sum((one) => one.judged),
    byRule: sum((one) => one.byRule),
    missing,
    judgements: sum((one) => one.judgements),
    cached: sum((one) => one.cached),
    absences,
    comparisons: known.flatMap((standing) => standing.comparisons),
    positionBias: ratio(
      sum(({ bias }) => bias.favoured),
      sum(({ bias }) => bias.decided),
    ),
    inconsistency: ratio(
      sum(({ contradictions }) => contradictions.found),
      sum(({ contradictions }) => contradictions.of),
    ),
  };
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function mostFrequent(absences: ReadonlyMap<GroupAbsence, number>): GroupAbsence {
  const [first] = [...absences].sort((a, b) => b[1] - a[1]);
  if (first === undefined) throw new TypeError('something is missing without a reason');
  return first[0];
}

interface PlacedTie {
  readonly members: readonly number[];
  /** Undefined when its members were not compared: they stay tied. */
  readonly standing: Standing | undefined;
}

/** P2: `reason` (something is missing) makes all scores absent, or only those of which nothing is known. */
function memberScores(
  task: GroupTask,
  ties: readonly PlacedTie[],
  reason: GroupAbsence | undefined,
): GroupReport['scores'] {
  const count = task.texts.length;
  const scores: GroupReport['scores'][number][] = [];
  let below = count;
  for (const { members, standing } of ties) {
    below -= members.length;
    members.forEach((member, place) => {
      const own = standing?.scores[place] ?? { score: 0.5, strength: undefined, comparisons: 0, points: 0 };
      const known = reason === undefined || task.partial === 'aggregate' ? own.score : undefined;
      scores[member] = {
        ...own,
        score: known === undefined ? undefined : (below + known * (members.length - 1)) / (count - 1),
        absent: known === undefined ? (reason ?? 'not_compared') : undefined,
      };
    });
  }
  return scores;
}

/**
 * Indices of values that are tied, the best tie first. A value belongs to a tie when it is within `tolerance` of the best
 * value in it; so a chain of small steps does not make one long tie.
 */
export function tieByValue(values: readonly number[], tolerance: number): number[][] {
  const order = values.map((_, index) => index).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
  const ties: { readonly best: number; readonly members: number[] }[] = [];
  for (const index of order) {
    const value = values[index] ?? 0;
    const last = ties.at(-1);
    if (last !== undefined && last.best - value <= tolerance) last.members.push(index);
    else ties.push({ best: value, members: [index] });
  }
  return ties.map(({ members }) => members.sort((a, b) => a - b));
}
