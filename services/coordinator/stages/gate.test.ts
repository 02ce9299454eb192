import { describe, expect, it } from 'vitest';
import { decideGate, type Gate } from './gate.ts';

describe('a gate', () => {
  const gate: Gate = { metric: 'sampled.exact_match', atLeast: 0.2, onFail: 'stop', maxRepeats: 1 };

  it('passes on its bound and says what it saw', () => {
    expect(decideGate(gate, {}, { 'sampled.exact_match': 0.2 }, 0)).toEqual({
      passed: true,
      action: 'continue',
      reason: 'sampled.exact_match 0.2, at least 0.2',
    });
  });

  it('fails below its bound, or when the metric is absent', () => {
    expect(decideGate(gate, {}, { 'sampled.exact_match': 0.19 }, 0)).toMatchObject({ passed: false, action: 'stop' });
    expect(decideGate(gate, {}, {}, 0)).toEqual({
      passed: false,
      action: 'stop',
      reason: 'sampled.exact_match was not measured',
    });
  });

  it('compares with the evaluation before the stage', () => {
    const gain: Gate = { metric: 'greedy.exact_match', gainAtLeast: 0.1, onFail: 'roll_back', maxRepeats: 1 };
    expect(decideGate(gain, { 'greedy.exact_match': 0.3 }, { 'greedy.exact_match': 0.45 }, 0).passed).toBe(true);
    expect(decideGate(gain, { 'greedy.exact_match': 0.3 }, { 'greedy.exact_match': 0.35 }, 0)).toEqual({
      passed: false,
      action: 'roll_back',
      reason: 'greedy.exact_match 0.3 -> 0.35, gain at least 0.1',
    });
  });

  it('stops once the repeats are used up', () => {
    const repeat: Gate = { ...gate, onFail: 'repeat' };
    expect(decideGate(repeat, {}, { 'sampled.exact_match': 0 }, 0).action).toBe('repeat');
    expect(decideGate(repeat, {}, { 'sampled.exact_match': 0 }, 1).action).toBe('stop');
  });
});
