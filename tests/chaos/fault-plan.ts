import { createRandom, permutation } from '#shared/domain/random.ts';

/** A process that faults are aimed at. */
export interface Target {
  /** As in fleet.json: `rollout-1`. */
  readonly label: string;
  readonly service: string;
}

/** When a fault hits, by what the run has done and not by the clock: the same plan fits a slow and a fast machine. */
export type Moment =
  /** So many rollouts were answered, as a share of all. */
  | { readonly kind: 'answered'; readonly share: number }
  /** The batch of this step (over the run, from 1) is decided, so the learner and the load of a version are next. */
  | { readonly kind: 'batch'; readonly step: number };

export interface Fault {
  /** From 1, in the order in which they hit. */
  readonly number: number;
  readonly target: Target;
  /** SIGKILL, or SIGSTOP and SIGCONT after `freezeMs`. */
  readonly action: 'kill' | 'freeze';
  /** 0 for a kill. */
  readonly freezeMs: number;
  readonly moment: Moment;
  /** Between the moment and the signal, in milliseconds. */
  readonly delayMs: number;
  /** Hits without waiting for the recovery from the fault before it. */
  readonly together: boolean;
}

export interface FaultPlanOptions {
  readonly seed: number;
  readonly count: number;
  readonly targets: readonly Target[];
  /** Training steps of the run. */
  readonly steps: number;
  /** Longest freeze, in milliseconds. One freeze in eight is as long, the others are spread below a quarter of it. */
  readonly longestFreezeMs: number;
}

/** Services whose work is the end of a step: half of their faults wait for a decided batch. */
const ofTheStepsEnd: ReadonlySet<string> = new Set(['learner', 'coordinator', 'policy', 'engine']);
const longestDelayMs = 600;
/** Faults end before the run does, so that each has something left to disturb. */
const lastShare = 0.96;

/**
 * Faults of a run, reproducible from the seed. Dealt like cards: two kills and one freeze of every process come before any
 * process is hit once more, so that no seed leaves one out. Spread evenly over the run, at random within their share.
 */
export function planFaults(options: FaultPlanOptions): readonly Fault[] {
  const { count, targets, steps, longestFreezeMs } = options;
  if (targets.length === 0) return [];
  const random = createRandom('faults', options.seed);
  const chance = (): number => random(1_000_000) / 1_000_000;
  const cards: { target: Target; action: Fault['action'] }[] = [];
  while (cards.length < count) {
    const killedFirst = new Set(targets.filter(() => random(2) === 0));
    for (const round of [0, 1, 2]) {
      for (const index of permutation(targets.length, random)) {
        const target = targets[index];
        if (target === undefined) continue;
        const isKill = round === 2 || killedFirst.has(target) === (round === 0);
        cards.push({ target, action: isKill ? 'kill' : 'freeze' });
      }
    }
  }
  return cards.slice(0, count).map(({ target, action }, index): Fault => {
    const share = (lastShare * (index + chance())) / count;
    const atBatch = ofTheStepsEnd.has(target.service) && random(2) === 0;
    return {
      number: index + 1,
      target,
      action,
      freezeMs: action === 'kill' ? 0 : freezeTime(longestFreezeMs, random(8) === 0, chance()),
      moment: atBatch
        ? { kind: 'batch', step: Math.max(1, Math.min(steps, Math.ceil(share * steps))) }
        : { kind: 'answered', share },
      delayMs: random(longestDelayMs),
      together: index > 0 && random(6) === 0,
    };
  });
}

function freezeTime(longestMs: number, long: boolean, chance: number): number {
  return Math.round(long ? longestMs : 200 + chance * Math.max(0, longestMs / 4 - 200));
}
