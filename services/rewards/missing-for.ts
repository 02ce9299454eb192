import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { isOutage } from './absence-reasons.ts';
import { holds, readValue, type ScoredValues } from './compose.ts';

/** What came back for a rollout: what is there, and why the rest is not. */
export interface PartialScore extends Omit<ScoredValues, 'modelTokens'> {
  /** Reasons by component. */
  readonly absent: Readonly<Record<string, string>>;
}

/** A component that a composition reads and a score does not have. */
export interface MissingComponent {
  readonly name: string;
  /** As the reward service gave it; empty when it said nothing of the component. */
  readonly reason: string;
  /**
   * Whether it is worth asking for again: `later`, when its judge or scorer is reachable; `again`, since what it says to one
   * rollout may differ the next time; `never`, since nobody gives this component.
   */
  readonly ask: 'later' | 'again' | 'never';
}

/**
 * The components without which the rollout has no reward, groupwise ones aside: empty when `compose` can make one, or will once the
 * group is compared. A gate that does not hold decides, and then nothing is missing for the sum. Pure.
 */
export function missingFor(composition: Composition, score: PartialScore): MissingComponent[] {
  const groupwise = new Set(composition.groupwise);
  const isMissing = (name: string): boolean => !groupwise.has(name) && readValue(score, name) === undefined;
  const names = new Set<string>();
  for (const { name, atLeast, atMost } of composition.gates) {
    const value = readValue(score, name);
    if (isMissing(name)) {
      names.add(name);
      break;
    }
    if (value !== undefined && !holds(value, atLeast, atMost)) return [];
  }
  for (const { name } of [...composition.weights, ...composition.penalties]) if (isMissing(name)) names.add(name);
  return [...names].map((name) => {
    const reason = (Object.hasOwn(score.absent, name) ? score.absent[name] : undefined) ?? '';
    return { name, reason, ask: reason === '' ? 'never' : isOutage(reason) ? 'later' : 'again' };
  });
}
