import { createRandom } from '#platform/random.ts';
import type { Random } from '#platform/random.ts';
import { dealCards, isAlone } from './fault-cards.ts';
import type { Action, CardOptions, Target } from './fault-cards.ts';

/** When a fault hits. By what the run has done where that can be: the same plan fits a slow and a fast machine. */
export type Moment =
  /** So many rollouts were answered, as a share of all. */
  | { readonly kind: 'answered'; readonly share: number }
  /** The batch of this step (over the run, from 1) is decided, so the learner and the load of a version are next. */
  | { readonly kind: 'batch'; readonly step: number }
  /** At once; `delayMs` is the time since the fault before it. */
  | { readonly kind: 'clock' };

export interface Fault {
  /** From 1, in the order in which they hit. */
  readonly number: number;
  readonly action: Action;
  /** Two are hit at once. */
  readonly targets: readonly Target[];
  /** What the action makes of it: how long is frozen, is full, is taken, or is waited before the kill. 0 for a plain kill. */
  readonly durationMs: number;
  readonly moment: Moment;
  /** Between the moment and the signal, in milliseconds. */
  readonly delayMs: number;
  /** Hits without waiting for the recovery from the fault before it. */
  readonly together: boolean;
}

export interface FaultPlanOptions extends CardOptions {
  readonly seed: number;
  readonly count: number;
  /** Training steps of the run. */
  readonly steps: number;
  /** Longest freeze, in milliseconds. One freeze in eight is as long, the others are spread below a quarter of it. */
  readonly longestFreezeMs: number;
}

/** Services whose work is the end of a step: half of their faults wait for a decided batch. */
const ofTheStepsEnd: ReadonlySet<string> = new Set(['learner', 'coordinator', 'policy', 'engine']);
const longestDelayMs = 600;
/** Faults end before the run does, so that each has something left to disturb. */
const lastShare = 0.92;

/** Faults of a run, reproducible from the seed, spread evenly over the run and at random within their share. */
export function planFaults(options: FaultPlanOptions): readonly Fault[] {
  const { count, steps, longestFreezeMs } = options;
  const random = createRandom('faults', options.seed);
  const planned: Fault[] = [];
  for (const { action, targets } of dealCards(options, random)) {
    const index = planned.length;
    if (index === count) break;
    const share = (lastShare * (index + chance(random))) / count;
    const atBatch = ofTheStepsEnd.has(targets[0]?.service ?? '') && random(2) === 0;
    planned.push({
      number: index + 1,
      action,
      targets,
      durationMs: durationOf(action, longestFreezeMs, random),
      moment: atBatch
        ? { kind: 'batch', step: Math.max(1, Math.min(steps, Math.ceil(share * steps))) }
        : { kind: 'answered', share },
      delayMs: random(longestDelayMs),
      together: index > 0 && random(6) === 0 && !isAlone({ action, targets }),
    });
  }
  return planned;
}

/** Faults without an end, one `everyMs` on average after the other, whether what the one before hit is back or not. */
export function* faultsByClock(
  options: Omit<FaultPlanOptions, 'count' | 'steps'> & { readonly everyMs: number },
): Generator<Fault> {
  const random = createRandom('faults by clock', options.seed);
  let number = 0;
  for (const { action, targets } of dealCards(options, random)) {
    number += 1;
    yield {
      number,
      action,
      targets,
      durationMs: durationOf(action, options.longestFreezeMs, random),
      moment: { kind: 'clock' },
      delayMs: Math.round(2 * options.everyMs * chance(random)),
      together: !isAlone({ action, targets }),
    };
  }
}

const chance = (random: Random): number => random(1_000_000) / 1_000_000;

function durationOf(action: Action, longestFreezeMs: number, random: Random): number {
  const between = (low: number, high: number): number => Math.round(low + (high - low) * chance(random));
  switch (action) {
    case 'freeze':
      return random(8) === 0 ? longestFreezeMs : between(200, Math.max(200, longestFreezeMs / 4));
    case 'full-disk':
      return between(8_000, 20_000);
    case 'port-taken':
      return between(2_000, 12_000);
    case 'kill-in-start':
      return between(300, 6_000);
    case 'kill-in-stop':
      return between(20, 1_500);
    case 'kill':
    case 'kill-in-restart':
    case 'hang':
    case 'stale-state':
    case 'stop':
      return 0;
  }
}
