import { expect, it } from 'vitest';
import { createGroupCollector } from './group-collector.ts';
import { restoreGatherings } from './restore-gatherings.ts';

it('P3: results whose stream was deleted and made again while they are read are waited for no longer than they are stored', async () => {
  const collector = createGroupCollector({
    onDeadline: 'retry',
    attempts: 1,
    groupMs: 1_000,
    version: 0,
    maxStaleness: 0,
    retryAfterMs: 100,
  });
  const newest = [500, 0];
  const nothing = () => new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)));
  const context = {
    now: () => 0,
    publisher: { outstanding: async () => new Map<string, number>() },
    intake: { position: 0, newest: async () => newest.shift() ?? 0, next: nothing },
    events: { resultReceived: () => undefined },
    ledger: { state: { groups: new Map() } },
  };
  const gathering = {
    restoring: true,
    readAgain: () => 'unknown' as const,
    collector,
    groups: [],
    failures: undefined,
  };
  await restoreGatherings(context, [gathering], new AbortController().signal);
  expect(newest).toEqual([]);
});
