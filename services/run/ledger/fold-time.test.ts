import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { foldEntry } from './fold.ts';
import type { FactInit } from './read-ledger.ts';
import { newRunState } from './run-state.ts';

const started: FactInit = { case: 'runStarted', value: { recipeJson: '{}', recipeHash: 'h', directory: '/d' } };
const entered: FactInit = { case: 'stageEntered', value: { stage: 'one', stageIndex: 0 } };
const opened = (groupId: string): FactInit => ({ case: 'groupOpened', value: { groupId } });

describe('the time that a run was active', () => {
  const at = (atMs: number, fact: FactInit, elapsedMs?: number) =>
    create(LedgerEntrySchema, {
      runId: 'r',
      atMs: BigInt(atMs),
      fact,
      ...(elapsedMs !== undefined && { elapsedMs: BigInt(elapsedMs) }),
    });
  const hour = 3_600_000;
  const day = 24 * hour;

  it('is measured by the monotonic clocks of its leaders, whatever their wall clocks do', () => {
    const state = [
      at(day, started),
      at(day + 1_000, entered, 1_000),
      at(2 * day, opened('a'), 2_000),
      at(2 * day - 2 * hour, opened('b'), 3_000),
      // Taken over by another machine; nobody led it meanwhile.
      at(9 * day, { case: 'runResumed', value: { takenOver: true } }),
      at(day, opened('c'), 4_000),
    ].reduce(foldEntry, newRunState('r'));
    expect(state.activeMs).toBe(10_000);
  });

  it('is bounded where an earlier version wrote wall clocks only', () => {
    const state = [at(day, started), at(day + 1_000, entered), at(30 * day, opened('a')), at(day, opened('b'))].reduce(
      foldEntry,
      newRunState('r'),
    );
    expect(state.activeMs).toBe(1_000 + hour);
  });
});
