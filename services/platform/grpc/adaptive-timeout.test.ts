import { describe, expect, it } from 'vitest';
import { createAdaptiveTimeout } from './adaptive-timeout.ts';

describe('an adaptive timeout', () => {
  it('grows with a peer that answers later and later, up to its bound', () => {
    const adaptive = createAdaptiveTimeout({ baseMs: 1_000, maxMs: 10_000 });
    expect(adaptive.timeoutMs).toBe(1_000);
    adaptive.answered(100);
    expect(adaptive.timeoutMs).toBe(1_000);
    adaptive.answered(900);
    expect(adaptive.timeoutMs).toBe(3_600);
    adaptive.answered(8_000);
    expect(adaptive.timeoutMs).toBe(10_000);
  });

  it('forgets a busy time after a while', () => {
    const adaptive = createAdaptiveTimeout({ baseMs: 1_000, maxMs: 60_000 });
    adaptive.answered(2_000);
    for (let answers = 0; answers < 21; answers += 1) adaptive.answered(5);
    expect(adaptive.timeoutMs).toBe(1_000);
  });
});
