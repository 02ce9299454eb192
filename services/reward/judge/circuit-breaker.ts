/**
 * Stops calls to an endpoint that fails most of them:
 *
 *     closed --too many failures--> open --circuitOpenMs--> half_open --the probe succeeds--> closed
 *                                    ^                          |
 *                                    '-----the probe fails------'
 *
 * Half open, one call at a time tries. What a call from before a transition comes to does not count any more.
 */
export type CircuitState = 'closed' | 'open' | 'half_open';

type CircuitEvent = 'tripped' | 'cooled' | 'recovered' | 'relapsed';

const transitions: Readonly<Record<CircuitState, Partial<Record<CircuitEvent, CircuitState>>>> = {
  closed: { tripped: 'open' },
  open: { cooled: 'half_open' },
  half_open: { recovered: 'closed', relapsed: 'open' },
};

export interface CircuitPermit {
  succeeded(): void;
  failed(): void;
  /** The call says nothing about the endpoint: it was cancelled. */
  released(): void;
}

export interface CircuitBreaker {
  readonly state: CircuitState;
  /** Undefined: no call now. */
  admit(): CircuitPermit | undefined;
  /** Until a call may try, at the least, in milliseconds; 0 unless open. */
  readonly waitMs: number;
}

export interface CircuitOptions {
  readonly failureRatio: number;
  /** Outcomes that a decision needs. */
  readonly minCalls: number;
  readonly openMs: number;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly onChange: (state: CircuitState) => void;
}

const windowCalls = 50;

export function createCircuitBreaker(options: CircuitOptions): CircuitBreaker {
  let state: CircuitState = 'closed';
  /** The latest outcomes, true for a failure. */
  let outcomes: boolean[] = [];
  let openUntilMs = 0;
  let probing = false;
  /** Counts transitions, so that a late outcome is known as such. */
  let era = 0;

  function transition(event: CircuitEvent): void {
    const next = transitions[state][event];
    if (next === undefined) throw new TypeError(`a circuit that is ${state} cannot be ${event}`);
    state = next;
    era += 1;
    outcomes = [];
    probing = false;
    if (state === 'open') openUntilMs = options.now() + options.openMs;
    options.onChange(state);
  }

  function settle(failed: boolean): void {
    if (state === 'half_open') {
      transition(failed ? 'relapsed' : 'recovered');
      return;
    }
    outcomes.push(failed);
    if (outcomes.length > windowCalls) outcomes.shift();
    const failures = outcomes.filter(Boolean).length;
    if (outcomes.length >= options.minCalls && failures / outcomes.length >= options.failureRatio)
      transition('tripped');
  }

  return {
    get state() {
      return state;
    },
    get waitMs() {
      return state === 'open' ? Math.max(0, openUntilMs - options.now()) : 0;
    },
    admit() {
      if (state === 'open' && options.now() >= openUntilMs) transition('cooled');
      if (state === 'open' || (state === 'half_open' && probing)) return undefined;
      if (state === 'half_open') probing = true;
      const begun = era;
      let over = false;
      const end = (then: () => void): void => {
        if (!over && begun === era) then();
        over = true;
      };
      return {
        succeeded: () => end(() => settle(false)),
        failed: () => end(() => settle(true)),
        released: () => end(() => (probing = false)),
      };
    },
  };
}
