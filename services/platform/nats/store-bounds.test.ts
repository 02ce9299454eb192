import { describe, expect, test } from 'vitest';

import { fitBounds, formatBytes, minimumStoreBytes, streamBounds } from './store-bounds.ts';

const MiB = 1024 ** 2;
const all = new Map(Object.entries(streamBounds));

describe('bounds of a store', () => {
  test('where there is room each stream gets what it would like', () => {
    expect(fitBounds(all, 20 * 1024 * MiB)).toEqual(
      new Map([...all].map(([name, { defaultBytes }]) => [name, defaultBytes])),
    );
  });

  test('on a small disk no stream takes all: each has its minimum and a share of the rest', () => {
    // 900 MiB is what a server offers of 1.2 GB: 168 MiB are minima, 732 MiB are shared over the 10,584 MiB that they lack.
    const fitted = fitBounds(all, 900 * MiB);
    expect(Object.fromEntries([...(fitted ?? [])].map(([name, bytes]) => [name, bytes / MiB]))).toEqual({
      TASKS: 47,
      RESULTS: 100,
      LEDGER: 100,
      DEAD_LETTERS: 25,
      TRAJECTORIES: 626,
    });
  });

  test('at the minimum each has its minimum, and below it nothing fits', () => {
    expect(fitBounds(all, 168 * MiB)?.get('TRAJECTORIES')).toBe(64 * MiB);
    expect(fitBounds(all, 168 * MiB - 1)).toBeUndefined();
  });

  test('the minimum of a store is said in a way that people read', () => {
    expect(formatBytes(minimumStoreBytes)).toBe('192 MiB');
    expect(formatBytes(1.25 * 1024 * MiB)).toBe('1.3 GiB');
  });
});
