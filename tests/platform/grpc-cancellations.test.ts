import { describe, expect, test } from 'vitest';

import { callGate, startTestRetrieval } from './retrieval.ts';

/** More than the 1,000 resets that a server takes at once on a connection. */
const unwantedCalls = 1_100;

async function startHolding() {
  const hold = callGate();
  const served = await startTestRetrieval({
    search: async (_, call) => {
      await hold.pass(call);
      return { indexVersion: 'answered' };
    },
  });
  await served.client.describe({});
  return { ...served, hold };
}

describe('many cancellations', () => {
  test('P1: calls of 1,100 callers that leave at once do not end those of the 100 that wait on', async () => {
    const { client, hold } = await startHolding();
    const leaving = new AbortController();
    const unwanted = Array.from({ length: unwantedCalls }, () => client.search({}, { signal: leaving.signal }));
    const left = Promise.allSettled(unwanted);
    const wanted = Array.from({ length: 100 }, () => client.search({}));
    const answered = Promise.all(wanted);
    await hold.reached;
    leaving.abort(new Error('no longer wanted'));
    expect((await left).every(({ status }) => status === 'rejected')).toBe(true);
    // Asked after the burst, on whichever connection: nothing was closed.
    const after = client.search({});
    hold.open();
    expect((await answered).map(({ indexVersion }) => indexVersion)).toEqual(Array(100).fill('answered'));
    expect((await after).indexVersion).toBe('answered');
  });

  test('P1: waves of cancellations that add up to twice what one connection takes end no other call', async () => {
    const { client, hold } = await startHolding();
    const wanted = Array.from({ length: 10 }, () => client.search({}));
    const answered = Promise.all(wanted);
    for (let wave = 0; wave < 30; wave += 1) {
      const leaving = new AbortController();
      const unwanted = Array.from({ length: 64 }, () => client.search({}, { signal: leaving.signal }));
      const left = Promise.allSettled(unwanted);
      // Reaches the server between two waves, so that each wave's calls are there before they are cancelled.
      await client.describe({});
      leaving.abort();
      await left;
    }
    hold.open();
    expect((await answered).map(({ indexVersion }) => indexVersion)).toEqual(Array(10).fill('answered'));
  });
});
