import { permutation, type Random } from '#platform/random.ts';

/** Indices of two members. */
export type Pair = readonly [number, number];

/** How a pair came out for its first member: 1 won, 1/2 tied, 0 lost; undefined when it could not be judged. */
export interface PairOutcome {
  readonly pair: Pair;
  readonly share: number | undefined;
}

/** Gives the pairs of the next round, knowing all outcomes so far; none when the schedule is over. */
export type PairSchedule = (outcomes: readonly PairOutcome[]) => readonly Pair[];

export type ScheduleSettings =
  | { readonly kind: 'all_pairs' }
  | { readonly kind: 'circular'; readonly rounds: number }
  | { readonly kind: 'swiss'; readonly rounds: number }
  | { readonly kind: 'budget'; readonly pairs: number };

/** `members` are in 0..count-1 of the schedule's own numbering. */
export function createPairSchedule(settings: ScheduleSettings, count: number, random: Random): PairSchedule {
  switch (settings.kind) {
    case 'all_pairs':
      return onceOnly(ringPairs(count, random, (count * (count - 1)) / 2));
    case 'circular':
      // Beyond half of the ring every neighbour has been met.
      return onceOnly(ringPairs(count, random, count * settings.rounds));
    case 'budget':
      return onceOnly(ringPairs(count, random, settings.pairs));
    case 'swiss':
      return swiss(count, settings.rounds, random);
  }
}

function onceOnly(pairs: readonly Pair[]): PairSchedule {
  let given = false;
  return () => {
    if (given) return [];
    given = true;
    return pairs;
  };
}

/**
 * The first `limit` pairs of a shuffled ring: all next neighbours, then all neighbours but one, and so on. Members differ by
 * at most two in how often they appear, and from count - 1 pairs on everybody is connected with everybody.
 */
function ringPairs(count: number, random: Random, limit: number): Pair[] {
  const ring = permutation(count, random);
  const pairs: Pair[] = [];
  for (let distance = 1; distance <= Math.floor(count / 2); distance += 1) {
    // In an even ring, opposite members meet from both sides.
    const starts = distance * 2 === count ? distance : count;
    for (let start = 0; start < starts && pairs.length < limit; start += 1) {
      pairs.push([ring[start] ?? 0, ring[(start + distance) % count] ?? 0]);
    }
  }
  return pairs;
}

/** Members with like points meet, nobody twice; a member that finds nobody sits the round out, and chooses first in the next. */
function swiss(count: number, rounds: number, random: Random): PairSchedule {
  let round = 0;
  return (outcomes) => {
    if (round === rounds) return [];
    round += 1;
    const points = new Float64Array(count);
    const games = new Uint32Array(count);
    const met = new Set<number>();
    for (const { pair, share } of outcomes) {
      const [a, b] = pair;
      met.add(a * count + b).add(b * count + a);
      games[a] = (games[a] ?? 0) + 1;
      games[b] = (games[b] ?? 0) + 1;
      if (share === undefined) continue;
      points[a] = (points[a] ?? 0) + share;
      points[b] = (points[b] ?? 0) + 1 - share;
    }
    // Shuffled first, so that equals meet by chance; sort is stable.
    const standing = [...permutation(count, random)].sort((a, b) => (points[b] ?? 0) - (points[a] ?? 0));
    const choosing = standing.toSorted((a, b) => (games[a] ?? 0) - (games[b] ?? 0));
    const pairs: Pair[] = [];
    const paired = new Set<number>();
    for (const member of choosing) {
      if (paired.has(member)) continue;
      const apart = (other: number): number => Math.abs((points[other] ?? 0) - (points[member] ?? 0));
      const [rival] = standing
        .filter((other) => other !== member && !paired.has(other) && !met.has(member * count + other))
        .sort((a, b) => apart(a) - apart(b));
      if (rival === undefined) continue;
      paired.add(member).add(rival);
      pairs.push([member, rival]);
    }
    return pairs;
  };
}
