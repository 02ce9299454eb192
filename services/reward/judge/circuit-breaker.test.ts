import { describe, expect, test } from 'vitest';
import { createCircuitBreaker, type CircuitState } from './circuit-breaker.ts';

function breaker(minCalls = 4, failureRatio = 0.5) {
  const clock = { nowMs: 0 };
  const states: CircuitState[] = [];
  const circuit = createCircuitBreaker({
    minCalls,
    failureRatio,
    openMs: 100,
    now: () => clock.nowMs,
    onChange: (state) => states.push(state),
  });
  const outcome = (failed: boolean): void => {
    const permit = circuit.admit();
    if (failed) permit?.failed();
    else permit?.succeeded();
  };
  return { circuit, clock, states, outcome };
}

describe('a circuit', () => {
  test('opens when the share of failures is reached, not before there are enough calls', () => {
    const { circuit, outcome } = breaker();
    for (const failed of [true, true, true]) outcome(failed);
    expect(circuit.state).toBe('closed');
    outcome(false);
    expect(circuit.state).toBe('open');
    expect(circuit.admit()).toBeUndefined();
    expect(circuit.waitMs).toBe(100);
  });

  test('stays closed below the share, and forgets what is more than fifty calls ago', () => {
    const { circuit, outcome } = breaker(50, 0.5);
    for (let call = 0; call < 1000; call += 1) outcome(call % 5 === 0);
    expect(circuit.state).toBe('closed');
  });

  test('lets one call try after its time, closes when that succeeds and opens when it fails', () => {
    const { circuit, clock, states, outcome } = breaker(1);
    outcome(true);
    clock.nowMs = 100;
    const probe = circuit.admit();
    expect(circuit.admit()).toBeUndefined();
    probe?.failed();
    expect(circuit.state).toBe('open');
    clock.nowMs = 200;
    circuit.admit()?.succeeded();
    expect(states).toEqual(['open', 'half_open', 'open', 'half_open', 'closed']);
  });

  test('a probe that is cancelled says nothing, and the next one may try', () => {
    const { circuit, clock, outcome } = breaker(1);
    outcome(true);
    clock.nowMs = 100;
    circuit.admit()?.released();
    expect(circuit.state).toBe('half_open');
    expect(circuit.admit()).toBeDefined();
  });

  test('what a call from before comes to does not count', () => {
    const { circuit, clock, outcome } = breaker(1);
    const late = circuit.admit();
    const later = circuit.admit();
    outcome(true);
    clock.nowMs = 100;
    const probe = circuit.admit();
    late?.failed();
    later?.succeeded();
    expect(circuit.state).toBe('half_open');
    probe?.succeeded();
    probe?.failed();
    expect(circuit.state).toBe('closed');
  });
});
