import { errorFrom, type GradusError } from '#platform/errors.ts';
import type { SearchTask } from './executor.ts';
import type { PassageReader, Ranking } from './open-passage-reader.ts';

export interface NearestOfTask {
  readonly ranking?: Ranking | undefined;
  readonly error?: GradusError | undefined;
  /** The task's share of the time that all took together. */
  readonly seconds: number;
}

/** Searches by the vectors of all tasks that have one: those of one index and depth go together, which is much faster. */
export async function nearestOfAll(
  tasks: readonly SearchTask[],
  readers: ReadonlyMap<number, PassageReader>,
  depthOf: (task: SearchTask) => number,
): Promise<ReadonlyMap<SearchTask, NearestOfTask>> {
  const found = new Map<SearchTask, NearestOfTask>();
  const withVectors = tasks.filter(({ mode, vector }) => mode !== 'lexical' && vector !== undefined);
  if (withVectors.length === 0) return found;
  const groups = Map.groupBy(withVectors, (task) => `${task.generation} ${depthOf(task)}`);
  for (const group of groups.values()) {
    const startedMs = performance.now();
    const share = (): number => (performance.now() - startedMs) / 1000 / group.length;
    try {
      const rankings = await nearestOfGroup(group, readers, depthOf);
      const seconds = share();
      group.forEach((task, index) => found.set(task, { ranking: rankings[index], seconds }));
    } catch (thrown) {
      const error = errorFrom(thrown);
      const seconds = share();
      for (const task of group) found.set(task, { error, seconds });
    }
  }
  return found;
}

async function nearestOfGroup(
  group: readonly SearchTask[],
  readers: ReadonlyMap<number, PassageReader>,
  depthOf: (task: SearchTask) => number,
): Promise<readonly Ranking[]> {
  const [first] = group;
  const nearest = first === undefined ? undefined : readers.get(first.generation)?.nearest;
  if (first === undefined || nearest === undefined) throw new TypeError('the index has no vectors open here');
  const dimensions = first.vector?.length ?? 0;
  const vectors = new Float32Array(group.length * dimensions);
  group.forEach(({ vector }, index) => vectors.set(vector ?? [], index * dimensions));
  return await nearest(vectors, depthOf(first));
}
