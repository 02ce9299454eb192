import { expect, test } from 'vitest';

import { parseDelivery } from './delivery.ts';

test('the reply subject of a delivery is read, with and without a domain', () => {
  const expected = { deliveries: 2, streamSequence: 17, consumerSequence: 19, storedAt: '1700000000000000000' };
  expect(parseDelivery('$JS.ACK.TASKS.workers.2.17.19.1700000000000000000.5')).toEqual(expected);
  expect(parseDelivery('$JS.ACK.hub.ACC1.TASKS.workers.2.17.19.1700000000000000000.5.rand')).toEqual(expected);
});

test.each(['', '_INBOX.abc', '$JS.ACK.TASKS.workers.x.17.19.1.5', '$JS.ACK.TASKS.workers.2'])(
  "'%s' is refused",
  (reply) => {
    expect(() => parseDelivery(reply)).toThrow(/not a reply subject/);
  },
);
