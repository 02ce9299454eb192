import { describe, expect, test } from 'vitest';

import { callGate, startTestRetrieval } from './retrieval.ts';

describe('the signal of a call', () => {
  test('P3: the deadline of the caller reaches the handler and ends the call', async () => {
    const hold = callGate();
    const { client } = await startTestRetrieval({
      search: async (_, call) => {
        await hold.pass(call);
        return {};
      },
    });
    // Once connected, the call is at the handler long before its deadline.
    await client.describe({});
    const before = Date.now();
    const calling = client.search({}, { timeoutMs: 1_000 });
    const { deadlineMs } = await hold.reached;
    expect(deadlineMs).toBeGreaterThan(before);
    expect(deadlineMs).toBeLessThanOrEqual(Date.now() + 1_000);
    await expect(calling).rejects.toMatchObject({ name: 'CancelledError', code: 'deadline_exceeded' });
    expect(await hold.ended).toMatchObject({ name: 'CancelledError' });
    hold.open();
  });

  test('cancelling a call aborts the handler', async () => {
    const hold = callGate();
    const { client } = await startTestRetrieval({
      search: async (_, call) => {
        await hold.pass(call);
        return {};
      },
    });
    const controller = new AbortController();
    const calling = client.search({}, { signal: controller.signal });
    await hold.reached;
    controller.abort(new Error('the rollout was given up'));
    await expect(calling).rejects.toMatchObject({ code: 'cancelled', message: 'the rollout was given up' });
    expect(await hold.ended).toMatchObject({ name: 'CancelledError', code: 'cancelled' });
    hold.open();
  });

  test('a signal that has aborted before starts no call', async () => {
    let calls = 0;
    const { client } = await startTestRetrieval({
      search: async () => {
        calls += 1;
        return {};
      },
    });
    await expect(client.search({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    await client.describe({});
    expect(calls).toBe(0);
  });

  test('a normal end does not abort the handler’s signal while it runs', async () => {
    let aborted: boolean | undefined;
    const { client } = await startTestRetrieval({
      search: async (_, { signal }) => {
        // A whole call on the same connection: the end of this one's request has been read by then.
        await client.describe({});
        aborted = signal.aborted;
        return {};
      },
    });
    await client.search({});
    expect(aborted).toBe(false);
  });
});

describe('drain', () => {
  test('running calls finish, new ones are refused', async () => {
    const hold = callGate();
    const { client, server } = await startTestRetrieval({
      search: async (_, call) => {
        await hold.pass(call);
        return { indexVersion: 'finished' };
      },
    });
    const calling = client.search({});
    await hold.reached;
    const draining = server.drain(60_000);
    await expect(client.describe({})).rejects.toMatchObject({ code: 'unavailable' });
    hold.open();
    await expect(calling).resolves.toMatchObject({ indexVersion: 'finished' });
    await draining;
  });

  test('P3: calls that do not end in time are cancelled', async () => {
    const hold = callGate();
    const { client, server } = await startTestRetrieval({
      search: async (_, call) => {
        await hold.pass(call);
        return {};
      },
    });
    const calling = client.search({});
    // The outcome is looked at after the drain.
    calling.catch(() => {});
    await hold.reached;
    await server.drain(20);
    await expect(calling).rejects.toMatchObject({ name: expect.stringMatching(/Transient|Cancelled/) });
    expect(await hold.ended).toMatchObject({ name: 'CancelledError' });
    hold.open();
  });
});
