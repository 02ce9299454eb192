/** Passages with their scores, best first; equal scores in the order of the corpus. */
export interface ScoredPassages {
  readonly passages: Uint32Array;
  readonly scores: Float64Array;
}

export interface TopK {
  offer(passage: number, score: number): void;
  /** Score of the worst one kept once there are k; before that 0. */
  threshold(): number;
  /** Those kept, best first. */
  take(): ScoredPassages;
}

/**
 * The k best of a stream, exactly, in memory for k. Order: higher score first, then the earlier passage,
 * so that equal scores always come out the same.
 */
export function createTopK(k: number): TopK {
  // A binary heap with the worst of the kept ones at the root.
  const passages = new Uint32Array(k);
  const scores = new Float64Array(k);
  let size = 0;

  const worse = (a: number, b: number): boolean => {
    const scoreA = scores[a] ?? 0;
    const scoreB = scores[b] ?? 0;
    return scoreA < scoreB || (scoreA === scoreB && (passages[a] ?? 0) > (passages[b] ?? 0));
  };
  const swap = (a: number, b: number): void => {
    const passage = passages[a] ?? 0;
    const score = scores[a] ?? 0;
    passages[a] = passages[b] ?? 0;
    scores[a] = scores[b] ?? 0;
    passages[b] = passage;
    scores[b] = score;
  };
  const siftUp = (from: number): void => {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!worse(at, parent)) return;
      swap(at, parent);
      at = parent;
    }
  };
  const siftDown = (): void => {
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      if (left >= size) return;
      const right = left + 1;
      const child = right < size && worse(right, left) ? right : left;
      if (!worse(child, at)) return;
      swap(at, child);
      at = child;
    }
  };

  return {
    offer(passage, score) {
      if (size < k) {
        passages[size] = passage;
        scores[size] = score;
        siftUp(size);
        size += 1;
        return;
      }
      const worst = scores[0] ?? Infinity;
      if (k === 0 || score < worst || (score === worst && passage > (passages[0] ?? 0))) return;
      passages[0] = passage;
      scores[0] = score;
      siftDown();
    },
    threshold: () => (size < k ? 0 : (scores[0] ?? 0)),
    take() {
      const order = Array.from({ length: size }, (_, at) => at).sort((a, b) => (worse(a, b) ? 1 : -1));
      return {
        passages: Uint32Array.from(order, (at) => passages[at] ?? 0),
        scores: Float64Array.from(order, (at) => scores[at] ?? 0),
      };
    },
  };
}
