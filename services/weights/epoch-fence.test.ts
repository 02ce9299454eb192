import { expect, it } from 'vitest';
import { checkVersion } from './check-version.ts';
import { createEpochFence } from './epoch-fence.ts';

it('leaders follow each other, and one of the past is refused', () => {
  const fence = createEpochFence();
  for (const epoch of [0n, 0n, 3n, 3n, 7n]) fence.admit(epoch);
  expect(() => fence.admit(6n)).toThrow('epoch is 6, but a coordinator of epoch 7 leads');
  fence.admit(7n);
  expect(fence.highest).toBe(7n);
});

it('after a leader came, 0 is of the past like any other', () => {
  const fence = createEpochFence();
  fence.admit(2n);
  expect(() => fence.admit(0n)).toThrow('epoch is 0, but a coordinator of epoch 2 leads');
});

it('an epoch beyond what is counted exactly does not lock later leaders out', () => {
  const fence = createEpochFence();
  expect(() => fence.admit(2n ** 53n)).toThrow('epoch is 9007199254740992; it must be at most 2^53 - 1');
  fence.admit(1n);
});

it('a version out of reach, which would be the last that a fleet loads, is refused', () => {
  checkVersion(2n ** 32n + 5n, 5n);
  expect(() => checkVersion(2n ** 32n + 6n, 5n)).toThrow('version is 4294967302, and 5 serves; give one of at most');
  expect(() => checkVersion(2n ** 53n, 2n ** 53n - 1n)).toThrow('version is 9007199254740992');
});
