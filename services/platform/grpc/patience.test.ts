import { describe, expect, it } from 'vitest';
import { createPatience } from './patience.ts';

describe('patience', () => {
  it('grows with a peer that answers later and later, up to its bound', () => {
    const patience = createPatience({ baseMs: 1_000, maxMs: 10_000 });
    expect(patience.timeoutMs).toBe(1_000);
    patience.answered(100);
    expect(patience.timeoutMs).toBe(1_000);
    patience.answered(900);
    expect(patience.timeoutMs).toBe(3_600);
    patience.answered(8_000);
    expect(patience.timeoutMs).toBe(10_000);
  });

  it('forgets a busy time after a while', () => {
    const patience = createPatience({ baseMs: 1_000, maxMs: 60_000 });
    patience.answered(2_000);
    for (let answers = 0; answers < 21; answers += 1) patience.answered(5);
    expect(patience.timeoutMs).toBe(1_000);
  });
});
