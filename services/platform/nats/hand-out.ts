/**
 * Which of the tasks that a worker holds is begun next. Pure; nothing here waits for anything but a slot.
 *
 * Evaluation goes before training. A suspect, whose workers died, is kept apart from other suspects: a few at a time at first,
 * then alone, so that a task that kills its worker is found without burying its neighbours.
 */
export type Lane = 'eval' | 'train';

/** `apart`: with a few other suspects at most. `alone`: with none. */
export type Caution = 'apart' | 'alone';

export interface HandOut<T> {
  offer(task: T, lane: Lane): void;
  offerSuspect(task: T, caution: Caution): void;
  /** The next task, which counts as running from now on; undefined once ended. For one reader. */
  next(): Promise<T | undefined>;
  isRunning(task: T): boolean;
  /** Frees the task's slot, or takes it out of the line. */
  remove(task: T): void;
  end(): void;
}

/** Suspects that run at a time: of 256 tasks, 16 turns clear all but 16. */
const suspectsApart = 16;

export function createHandOut<T>(maxRunning: number): HandOut<T> {
  const lines: Record<Lane, Set<T>> = { eval: new Set(), train: new Set() };
  const suspects: Record<Caution, Set<T>> = { apart: new Set(), alone: new Set() };
  const running = new Map<T, 'free' | Caution>();
  let ended = false;
  let wake: (() => void) | undefined;

  function changed(): void {
    wake?.();
    wake = undefined;
  }

  function take(from: Set<T>, as: 'free' | Caution): T | undefined {
    const [first] = from;
    if (first === undefined) return undefined;
    from.delete(first);
    running.set(first, as);
    return first;
  }

  function takeNext(): T | undefined {
    if (running.size >= maxRunning) return undefined;
    const cautions = [...running.values()].filter((how) => how !== 'free');
    const suspect =
      cautions.includes('alone') || cautions.length >= suspectsApart
        ? undefined
        : (take(suspects.apart, 'apart') ?? (cautions.length === 0 ? take(suspects.alone, 'alone') : undefined));
    return suspect ?? take(lines.eval, 'free') ?? take(lines.train, 'free');
  }

  return {
    offer(task, lane) {
      lines[lane].add(task);
      changed();
    },
    offerSuspect(task, caution) {
      suspects[caution].add(task);
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
      for (const line of [lines.eval, lines.train, suspects.apart, suspects.alone]) line.delete(task);
      changed();
    },
    end() {
      ended = true;
      changed();
    },
  };
}
