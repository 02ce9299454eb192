/** An engine that may take a request now: it is up, new enough, and has room. */
export interface Candidate {
  readonly address: string;
  /** Requests that this gateway sent there and that have not ended. */
  readonly inFlight: number;
  /** Requests there that others sent (other gateways), as the engine said last. */
  readonly foreign: number;
  /** Requests in the engine's own line, as it said last. */
  readonly waiting: number;
  /** Requests that it generates at once. */
  readonly capacity: number;
  /** 0..1. */
  readonly kvUsedRatio: number;
}

/** Above this share, an engine is about to put requests back into the queue. */
const FULL_KV_RATIO = 0.9;
/** A line longer than this share of what the engine does at once costs more than computing a prefix again elsewhere. */
const LONG_LINE_RATIO = 0.5;

function isOverloaded({ waiting, capacity, kvUsedRatio }: Candidate): boolean {
  return kvUsedRatio > FULL_KV_RATIO || waiting > capacity * LONG_LINE_RATIO;
}

const loadOf = ({ inFlight, foreign, capacity }: Candidate): number => (inFlight + foreign) / capacity;

/** The session's own engine, which has its prefix, unless that is overloaded and another is not; else the least loaded. */
export function chooseEngine(candidates: Iterable<Candidate>, own: string | undefined): string | undefined {
  let best: Candidate | undefined;
  let mine: Candidate | undefined;
  for (const candidate of candidates) {
    if (candidate.address === own) mine = candidate;
    if (best === undefined || isBetter(candidate, best)) best = candidate;
  }
  if (mine !== undefined && (best === undefined || !isOverloaded(mine) || isOverloaded(best))) return mine.address;
  return best?.address;
}

function isBetter(left: Candidate, right: Candidate): boolean {
  if (isOverloaded(left) !== isOverloaded(right)) return isOverloaded(right);
  return loadOf(left) < loadOf(right) || (loadOf(left) === loadOf(right) && left.kvUsedRatio < right.kvUsedRatio);
}
