/** What the engines said since the last decision. */
export interface EngineSignals {
  /** Requests that wait for a place, on engines and at the gateway. */
  readonly waiting: number;
  /** Requests that the engines generate at once; 0 when unknown. */
  readonly capacity: number;
  /** Of the fullest engine, 0..1. */
  readonly kvUsedRatio: number;
  /** Requests that lost their place. */
  readonly preempted: number;
  /** Requests of ours that were refused because everything was full. */
  readonly refused: number;
}

export type ConcurrencyReason = 'room' | 'queue' | 'kv_full' | 'preemption' | 'refused';

export interface ConcurrencyDecision {
  readonly limit: number;
  /** Absent when the limit stays for no reason but that nothing asks for another. */
  readonly reason?: ConcurrencyReason;
}

/** A line this long, as a share of what is generated at once, keeps engines busy; more only makes turns late. */
const LINE_RATIO = 0.5;
const FULL_KV_RATIO = 0.9;
/** By what a limit shrinks: the harder the sign, the more. */
const shrinkBy: Readonly<Record<Exclude<ConcurrencyReason, 'room'>, number>> = {
  refused: 0.5,
  preemption: 0.7,
  kv_full: 0.85,
  queue: 0.85,
};
/** A limit grows by this share of the bound, so that it is back within some thirty decisions. */
const GROWTH_RATIO = 1 / 32;

/**
 * How many rollouts a worker should hold: additive increase while the limit is what holds it back and engines have room,
 * multiplicative decrease when they have none. A decrease takes effect as rollouts end, so none follows before it has.
 */
export function decideConcurrency(
  { limit, held, max }: { readonly limit: number; readonly held: number; readonly max: number },
  signals: EngineSignals,
): ConcurrencyDecision {
  const sign = congestionOf(signals);
  if (sign !== undefined) {
    if (held > limit) return { limit };
    return { limit: Math.max(1, Math.floor(Math.min(limit, Math.max(held, 1)) * shrinkBy[sign])), reason: sign };
  }
  if (limit >= max || held < limit) return { limit };
  return { limit: Math.min(max, limit + Math.max(1, Math.round(max * GROWTH_RATIO))), reason: 'room' };
}

function congestionOf(signals: EngineSignals): Exclude<ConcurrencyReason, 'room'> | undefined {
  if (signals.refused > 0) return 'refused';
  if (signals.preempted > 0) return 'preemption';
  if (signals.kvUsedRatio > FULL_KV_RATIO) return 'kv_full';
  if (signals.capacity > 0 && signals.waiting > signals.capacity * LINE_RATIO) return 'queue';
  return undefined;
}
