import { expect, it } from 'vitest';
import { createEpochFence } from './epoch-fence.ts';

it.each([true, false])(
  'leaders follow each other, and one of the past is refused (nobody is admitted: %s)',
  (admitsNobody) => {
    const fence = createEpochFence({ admitsNobody });
    for (const epoch of [0n, 0n, 3n, 3n, 7n]) fence.admit(epoch);
    expect(() => fence.admit(6n)).toThrow('epoch is 6, but a coordinator of epoch 7 leads');
    fence.admit(7n);
  },
);

it('after a leader came, 0 passes only where nobody in particular may ask', () => {
  const engine = createEpochFence({ admitsNobody: true });
  const gateway = createEpochFence({ admitsNobody: false });
  for (const fence of [engine, gateway]) fence.admit(2n);
  engine.admit(0n);
  expect(() => gateway.admit(0n)).toThrow('epoch is 0, but a coordinator of epoch 2 leads');
  expect(() => engine.admit(1n)).toThrow('epoch is 1, but a coordinator of epoch 2 leads');
});

it('an epoch beyond what is counted exactly does not lock later leaders out', () => {
  const fence = createEpochFence({ admitsNobody: false });
  expect(() => fence.admit(2n ** 53n)).toThrow('epoch is 9007199254740992; it must be at most 2^53 - 1');
  fence.admit(1n);
});
