import { Phase } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { Gathering } from '../groups/gathering.ts';

/** What a run is doing right now; not durable. */
export interface Progress {
  readonly phase: Phase;
  readonly done: number;
  readonly expected: number;
  /** What it waits for, when it waits for something unusual. */
  readonly message: string;
  /** What has taken longer than it should, see `watchOverdue`; else empty. */
  readonly overdue: string;
  /** What is gathered at the moment. */
  readonly gatherings: () => Iterable<Gathering>;
}

/** The progress of a driven run, for all who wait for its changes. */
export interface RunProgress {
  readonly current: Progress;
  update(change: Partial<Progress>): void;
  /** Resolves at the next update, or after `timeoutMs`. */
  changed(timeoutMs: number, signal: AbortSignal): Promise<void>;
}

export const noGatherings: Progress['gatherings'] = () => [];

export function createRunProgress(): RunProgress {
  let current: Progress = {
    phase: Phase.UNSPECIFIED,
    done: 0,
    expected: 0,
    message: '',
    overdue: '',
    gatherings: noGatherings,
  };
  const waiting = new Set<() => void>();
  return {
    get current() {
      return current;
    },
    update(change) {
      current = { ...current, ...change };
      for (const wake of waiting) wake();
    },
    async changed(timeoutMs, signal) {
      if (signal.aborted) return;
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        const timer = setTimeout(wake, timeoutMs);
        signal.addEventListener('abort', wake, { once: true });
        waiting.add(wake);
      });
    },
  };
}
