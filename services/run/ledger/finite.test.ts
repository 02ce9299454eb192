import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { FactInit } from './read-ledger.ts';
import { checkFinite } from './finite.ts';

const check = (fact: FactInit) => () => checkFinite(create(LedgerEntrySchema, { runId: 'run-a', fact }));

test('P9: a metric that is not finite is refused by its name, and so are rewards and components', () => {
  expect(check({ case: 'stepCommitted', value: { step: 3n, metrics: { 'loss/mean': 1, 'grad/norm': NaN } } })).toThrow(
    'run run-a: stepCommitted.metrics.grad/norm (NaN) is not finite',
  );
  expect(check({ case: 'groupClosed', value: { groupId: 'g', samples: [{ taskId: 't', reward: Infinity }] } })).toThrow(
    'groupClosed.samples[0].reward (Infinity)',
  );
  expect(
    check({ case: 'stepFormed', value: { step: 1n, samples: [{ taskId: 't', components: { f1: -Infinity } }] } }),
  ).toThrow('stepFormed.samples[0].components.f1 (-Infinity)');
});

test('facts with numbers that are pass', () => {
  expect(
    check({ case: 'evalFinished', value: { name: 'before', metrics: { 'greedy.exact_match': 0 } } }),
  ).not.toThrow();
  expect(check({ case: 'runEnded', value: { state: 'failed', message: 'NaN' } })).not.toThrow();
});
