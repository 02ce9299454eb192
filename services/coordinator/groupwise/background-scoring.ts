import { CancelledError, errorFrom } from '#platform/errors.ts';
import type { GradusError } from '#platform/errors.ts';
import type { Group } from '../groups/group.ts';
import type { GroupScores } from './group-scores.ts';

/** A group that is being scored, and what it waits for. */
export interface ScoringGroup {
  readonly groupId: string;
  readonly what: string;
}

export interface ScoredGroup {
  readonly group: Group;
  readonly scores: GroupScores;
}

export type ScoreGroup = (group: Group, signal: AbortSignal, onWait: (what: string) => void) => Promise<GroupScores>;

/**
 * Groups that are scored while other things go on.
 *
 *     begun --scores, or what is missing of them--> taken, once
 *       +--leave--> dropped, as if it had not begun
 */
export interface BackgroundScoring {
  begin(group: Group): void;
  /** Groups that are ready to be closed. Throws the error of one that cannot be scored at all. */
  takeScored(): ScoredGroup[];
  readonly running: readonly ScoringGroup[];
  /** Resolves when `takeScored` has something; undefined while nothing is under way. */
  readonly next: Promise<void> | undefined;
  /** The time of all of them is over: what has no score now is missing. */
  expire(reason: CancelledError): void;
  /** Cancels what is under way and waits for its end. */
  leave(): Promise<void>;
}

/** `onChange` hears whenever `running` has changed. */
export function createBackgroundScoring(score: ScoreGroup, onChange: () => void): BackgroundScoring {
  const controller = new AbortController();
  const running = new Map<Group, { what: string; ended: Promise<void> }>();
  let done: ({ readonly group: Group; readonly scores: GroupScores } | { readonly error: GradusError })[] = [];
  let wake = Promise.withResolvers<void>();

  async function run(group: Group): Promise<void> {
    try {
      const scores = await score(group, controller.signal, (what) => {
        const entry = running.get(group);
        if (entry === undefined || entry.what === what) return;
        entry.what = what;
        onChange();
      });
      done.push({ group, scores });
    } catch (thrown) {
      done.push({ error: errorFrom(thrown) });
    }
    running.delete(group);
    wake.resolve();
    onChange();
  }

  return {
    begin(group) {
      if (running.size === 0 && done.length === 0) wake = Promise.withResolvers();
      const entry = { what: '', ended: Promise.resolve() };
      running.set(group, entry);
      entry.ended = run(group);
    },
    takeScored() {
      const taken = done;
      done = [];
      if (taken.length > 0) wake = Promise.withResolvers();
      return taken.map((one) => {
        if ('error' in one) throw one.error;
        return one;
      });
    },
    get running() {
      return [...running].map(([group, { what }]) => ({ groupId: group.plan.groupId, what }));
    },
    get next() {
      return running.size > 0 || done.length > 0 ? wake.promise : undefined;
    },
    expire: (reason) => controller.abort(reason),
    async leave() {
      controller.abort(new CancelledError('cancelled', 'the group is not needed any more'));
      await Promise.all([...running.values()].map(({ ended }) => ended));
      done = [];
    },
  };
}
