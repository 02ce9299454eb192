/** A scored document; `document` is its position in the corpus, from 0. */
export interface ScoredDocument {
  readonly document: number;
  readonly score: number;
}

export interface TopK {
  offer(document: number, score: number): void;
  /** Score of the worst one kept; 0 while there is none. */
  worstScore(): number;
  /** Those kept, best first. */
  take(): readonly ScoredDocument[];
}

/**
 * The k best of a stream, exactly, in memory for k. Order: higher score first, then the earlier document,
 * so that equal scores always come out the same.
 */
export function createTopK(k: number): TopK {
  // A binary heap with the worst of the kept ones at the root.
  const documents = new Uint32Array(k);
  const scores = new Float64Array(k);
  let size = 0;

  const worse = (a: number, b: number): boolean => {
    const scoreA = scores[a] ?? 0;
    const scoreB = scores[b] ?? 0;
    return scoreA < scoreB || (scoreA === scoreB && (documents[a] ?? 0) > (documents[b] ?? 0));
  };
  const swap = (a: number, b: number): void => {
    const document = documents[a] ?? 0;
    const score = scores[a] ?? 0;
    documents[a] = documents[b] ?? 0;
    scores[a] = scores[b] ?? 0;
    documents[b] = document;
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
    offer(document, score) {
      if (size < k) {
        documents[size] = document;
        scores[size] = score;
        siftUp(size);
        size += 1;
        return;
      }
      const worst = scores[0] ?? Infinity;
      if (k === 0 || score < worst || (score === worst && document > (documents[0] ?? 0))) return;
      documents[0] = document;
      scores[0] = score;
      siftDown();
    },
    worstScore: () => (size === 0 ? 0 : (scores[0] ?? 0)),
    take() {
      const kept: ScoredDocument[] = [];
      for (let at = 0; at < size; at += 1) kept.push({ document: documents[at] ?? 0, score: scores[at] ?? 0 });
      return kept.sort((a, b) => b.score - a.score || a.document - b.document);
    },
  };
}
