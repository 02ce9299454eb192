/**
 * Chooses which of the tasks that a worker holds begins next. Pure; nothing here waits for anything but a slot.
 *
 * Evaluation goes before training. A task whose workers died is quarantined: it runs with few other such tasks at first, then
 * with none, so that a task that kills its worker is found and the tasks that ran with it do not go to the dead letters.
 */
import type { TaskPurpose } from './streams.ts';

/** `apart`: with a few other quarantined tasks at most. `alone`: with none. */
export type Isolation = 'apart' | 'alone';

export interface Dispatcher<T> {
  offer(task: T, purpose: TaskPurpose): void;
  offerQuarantined(task: T, isolation: Isolation): void;
  /** The next task, which counts as running from now on; undefined once ended. For one reader. */
  next(): Promise<T | undefined>;
  isRunning(task: T): boolean;
  /** Frees the task's slot, or takes it out of its queue. */
  remove(task: T): void;
  end(): void;
}

/** Quarantined tasks that run at a time: of 256 tasks, 16 turns clear all but 16. */
const mostApart = 16;

export function createDispatcher<T>(maxRunning: number): Dispatcher<T> {
  const lines: Record<TaskPurpose, Set<T>> = { eval: new Set(), train: new Set() };
  const quarantined: Record<Isolation, Set<T>> = { apart: new Set(), alone: new Set() };
  const running = new Map<T, 'free' | Isolation>();
  let ended = false;
  let wake: (() => void) | undefined;

  function changed(): void {
    wake?.();
    wake = undefined;
  }

  function take(from: Set<T>, as: 'free' | Isolation): T | undefined {
    const [first] = from;
    if (first === undefined) return undefined;
    from.delete(first);
    running.set(first, as);
    return first;
  }

  function takeNext(): T | undefined {
    if (running.size >= maxRunning) return undefined;
    const isolations = [...running.values()].filter((how) => how !== 'free');
    const isolated =
      isolations.includes('alone') || isolations.length >= mostApart
        ? undefined
        : (take(quarantined.apart, 'apart') ??
          (isolations.length === 0 ? take(quarantined.alone, 'alone') : undefined));
    return isolated ?? take(lines.eval, 'free') ?? take(lines.train, 'free');
  }

  return {
    offer(task, purpose) {
      lines[purpose].add(task);
      changed();
    },
    offerQuarantined(task, isolation) {
      quarantined[isolation].add(task);
      changed();
    },
    async next() {
      for (;;) {
        if (ended) return undefined;
        const task = takeNext();
        if (task !== undefined) return task;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    isRunning: (task) => running.has(task),
    remove(task) {
      running.delete(task);
      for (const line of [lines.eval, lines.train, quarantined.apart, quarantined.alone]) line.delete(task);
      changed();
    },
    end() {
      ended = true;
      changed();
    },
  };
}
