import { describe, expect, it } from 'vitest';
import { isFreshEnough, rolloutCapacity } from './capacity.ts';

describe('capacity', () => {
  const base = { maxConcurrent: 100, running: 0, accepted: 0, maxStaleness: 0, version: 0, batch: 32 };

  it('P5: admits one batch per version when synchronous', () => {
    expect(rolloutCapacity(base)).toBe(32);
    expect(rolloutCapacity({ ...base, running: 10, accepted: 20 })).toBe(2);
    expect(rolloutCapacity({ ...base, accepted: 32 })).toBe(0);
    expect(rolloutCapacity({ ...base, accepted: 32, version: 1 })).toBe(32);
  });

  it('P5: admits staleness + 1 batches ahead of what is trained, whatever they are made of', () => {
    const ahead = { ...base, maxConcurrent: 1000, maxStaleness: 1 };
    expect(rolloutCapacity({ ...ahead, accepted: 32, running: 20 })).toBe(12);
    expect(rolloutCapacity({ ...ahead, accepted: 40, running: 24 })).toBe(0);
    expect(rolloutCapacity({ ...ahead, version: 3, accepted: 4 * 32, running: 0 })).toBe(32);
  });

  it('is bounded by concurrency and never negative', () => {
    expect(rolloutCapacity({ ...base, maxConcurrent: 8, running: 5 })).toBe(3);
    expect(rolloutCapacity({ ...base, maxConcurrent: 8, running: 9 })).toBe(0);
    expect(rolloutCapacity({ ...base, maxStaleness: 2 })).toBe(96);
  });

  it('P5: knows which samples are too old', () => {
    expect(isFreshEnough(3, 3, 0)).toBe(true);
    expect(isFreshEnough(2, 3, 0)).toBe(false);
    expect(isFreshEnough(1, 3, 2)).toBe(true);
  });
});
