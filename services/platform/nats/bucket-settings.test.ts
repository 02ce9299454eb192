import { expect, test } from 'vitest';
import { declaredBuckets } from './bucket-settings.ts';

const copies = (replicas: number | undefined) =>
  declaredBuckets({ replicas }).map(({ name, settings }) => [name, settings['num_replicas']]);

test('P10: buckets are to have as many copies as the streams: leases in one would go with its server', () => {
  expect(copies(3)).toEqual([
    ['KV_gradus-leases', 3],
    ['KV_gradus-running', 3],
    ['KV_gradus_suspects', 3],
    ['KV_WORKERS', 3],
  ]);
  // Not asked for: what somebody has set stays.
  expect(new Set(copies(undefined).map(([, number]) => number))).toEqual(new Set([undefined]));
  expect(declaredBuckets({ replicas: undefined }).some(({ settings }) => 'num_replicas' in settings)).toBe(false);
});
