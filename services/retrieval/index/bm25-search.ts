import type { IndexData } from './open-index.ts';
import { createQueryTerms } from './query-terms.ts';
import { createScoreWindow, windowPassages } from './score-window.ts';
import { createTopK, type ScoredPassages } from './top-k.ts';

/** The exact k best passages that hold a word of the query. Synchronous; reuses its buffers, so it belongs to one thread. */
export type Bm25Search = (query: string, k: number) => ScoredPassages;

/**
 * BM25 as Lucene computes it (since 8.0, without the constant factor k1 + 1):
 *
 *     score(q, d) = sum over query words t of  idf(t) * tf / (tf + k1 * (1 - b + b * |d| / avg|d|))
 *     idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5))
 *
 * A word that stands twice in the query counts twice. Passage lengths are exact (Lucene rounds them to a byte).
 *
 * MaxScore (Turtle and Flood 1995) over windows of passages, with the bounds of the blocks in each window (Ding and Suel
 * 2011). Terms are taken in the order of their weight, greatest first; those that together cannot lift a passage to the k-th best score are
 * only looked up for passages that other terms brought up. Every passage's terms are added in the same order, so that
 * equal passages have equal scores.
 */
export function createBm25Search(data: IndexData): Bm25Search {
  const count = data.manifest.corpus.passages;
  const queryTerms = createQueryTerms(data);
  const window = createScoreWindow(data);

  return (query, limit) => {
    const k = Math.min(limit, count);
    const best = createTopK(k);
    const terms = k > 0 ? queryTerms(query) : [];
    /** The most that a passage of the window can gain from term i and those after it. */
    const left = new Float64Array(terms.length + 1);
    for (let from = 0; from < count && terms.length > 0; from += windowPassages) {
      const to = Math.min(count, from + windowPassages);
      window.open(from, to);
      for (let at = terms.length - 1; at >= 0; at -= 1) {
        const term = terms[at];
        if (term === undefined) continue;
        window.setBound(term);
        left[at] = (left[at + 1] ?? 0) + term.bound;
      }
      let threshold = best.threshold();
      const full = threshold > 0;
      let counted = 0;
      let essential = true;
      for (const [at, term] of terms.entries()) {
        // Looking at the scores so far costs about as much as counting them did, and pays where no better ones are known.
        if (essential && !full && counted >= k && (term.postings * (to - from)) / count > counted)
          threshold = Math.max(threshold, window.threshold(k));
        if (essential && (left[at] ?? 0) < threshold) {
          if (counted === 0) break;
          essential = false;
          window.select(left[at] ?? 0, threshold);
        }
        if (essential) {
          counted += window.countEverywhere(term);
        } else {
          window.countAmong(term, left[at + 1] ?? 0, threshold);
          if (!full && window.candidates() > k) threshold = Math.max(threshold, window.threshold(k));
        }
      }
      if (counted > 0) window.offerTo(best);
    }
    return best.take();
  };
}
