import { setImmediate } from 'node:timers/promises';
import { throwIfCancelled } from '#platform/errors.ts';
import type { PostingsWriter } from './postings-writer.ts';
import { openRun, type RunReader } from './run-reader.ts';

interface Position {
  readonly run: number;
  readonly reader: RunReader;
  readonly term: string;
}

/** Terms between two looks at the signal. */
const termsPerTurn = 5_000;

/** Merges runs, given in the order of their passages, into one list of postings per term. */
export async function mergeRuns(
  paths: readonly string[],
  writer: PostingsWriter,
  onTerm: () => void,
  signal?: AbortSignal,
): Promise<void> {
  const readers: RunReader[] = [];
  try {
    for (const path of paths) readers.push(openRun(path));
    // Ascending by term, then by run; the first ones are next.
    let waiting = readers.flatMap((reader, run) => positionOf(run, reader)).sort(inOrder);
    for (let terms = 0; waiting.length > 0; terms += 1) {
      const term = waiting[0]?.term ?? '';
      let same = 0;
      while (waiting[same]?.term === term) same += 1;
      const taken = waiting.splice(0, same);
      writer.beginTerm(term);
      for (const { reader } of taken) reader.readPostings(writer.add);
      for (const { run, reader } of taken) waiting = inserted(waiting, positionOf(run, reader));
      onTerm();
      if (terms % termsPerTurn === 0) {
        await setImmediate();
        throwIfCancelled(signal);
      }
    }
  } finally {
    for (const reader of readers) reader.close();
  }
}

function positionOf(run: number, reader: RunReader): readonly Position[] {
  const term = reader.nextTerm();
  return term === undefined ? [] : [{ run, reader, term }];
}

function inOrder(one: Position, other: Position): number {
  if (one.term !== other.term) return one.term < other.term ? -1 : 1;
  return one.run - other.run;
}

function inserted(waiting: Position[], positions: readonly Position[]): Position[] {
  for (const position of positions) {
    let low = 0;
    let high = waiting.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = waiting[middle];
      if (other !== undefined && inOrder(other, position) < 0) low = middle + 1;
      else high = middle;
    }
    waiting.splice(low, 0, position);
  }
  return waiting;
}
