import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { type LedgerEntry, LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { wilsonInterval } from '#stages/kit/estimate.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { createCoordinatorEvents } from '../events.ts';
import { metricsLine } from '#run/directory/metrics-lines.ts';
import { foldEntry } from '#run/ledger/fold.ts';
import type { FactInit } from '#run/ledger/read-ledger.ts';
import { type RunState, currentStage, newRunState } from '#run/ledger/run-state.ts';
import { createDivergenceWatch } from './divergence-watch.ts';
import { allDivergences, detectorShares } from '#run/reward-divergence.ts';

const evaluated = (name: string, em: number): FactInit => {
  const { low, high } = wilsonInterval(em * 200, 200);
  const metrics = {
    'sampled.exact_match': em,
    'sampled.exact_match.low': low,
    'sampled.exact_match.high': high,
    'sampled.n': 200,
  };
  return { case: 'evalFinished', value: { stage: 'one', name, metrics } };
};

function stepFacts(step: number): FactInit[] {
  const metrics = {
    'reward/mean': 0.2 + 0.1 * step,
    'reward/std': 0.3,
    'groups/opened': 16,
    'rollouts/completed': step === 1 ? 30 : 10,
    'detector/candidate_list': step === 1 ? 0 : 0.5,
    'detector/candidate_list/mean': 0.3,
    'detector/giant_answer': 0,
    entropy: 1,
  };
  const value = { step: BigInt(step), version: BigInt(step), metrics };
  return [
    { case: 'stepFormed', value: { step: BigInt(step), stage: 'one', stageStep: step - 1 } },
    { case: 'stepCommitted', value },
  ];
}

/** A run whose reward rises while exact match falls, and then recovers. */
const facts: FactInit[] = [
  { case: 'runStarted', value: { recipeJson: '{}', recipeHash: 'h', seed: 5n, directory: '/d' } },
  { case: 'stageEntered', value: { stage: 'one', stageIndex: 0 } },
  evaluated('before', 0.5),
  ...[1, 2, 3, 4].flatMap(stepFacts),
  evaluated('step-4', 0.2),
  ...stepFacts(5),
  evaluated('step-5', 0.5),
];

const entries = facts.map((fact, at) => create(LedgerEntrySchema, { runId: 'r', atMs: BigInt(at), fact }));

function* states(): Generator<[LedgerEntry, RunState]> {
  let state = newRunState('r');
  for (const entry of entries) {
    state = foldEntry(state, entry);
    yield [entry, state];
  }
}
const stateAfter = (count: number): RunState => entries.slice(0, count).reduce(foldEntry, newRunState('r'));
const diverges = facts.findIndex((fact) => fact.case === 'evalFinished' && fact.value.name === 'step-4');

describe('what a ledger says of reward hacking', () => {
  test('P8: each line of steps and evaluations says whether the reward diverges, and a resumed run writes the same lines', () => {
    const lines = [...states()].map(([entry, state]) => metricsLine(entry, state));
    const flags = lines.flatMap((line) =>
      line === undefined ? [] : [(JSON.parse(line) as Record<string, number>)['detector/reward_diverges']],
    );
    expect(flags).toEqual([0, 0, 0, 0, 0, 1, 1, 0]);
    const again = entries.map((entry, at) => metricsLine(entry, stateAfter(at + 1)));
    expect(again).toEqual(lines);
  });

  test('shares of detectors are over the rollouts of the stage, not over its steps', () => {
    const stage = currentStage(stateAfter(entries.length));
    expect(stage && detectorShares(stage)).toEqual({ candidate_list: (0.5 * 40) / 70 });
    expect(detectorShares({ steps: [] })).toEqual({});
  });

  test('the summary remembers what is over', () => {
    const stage = currentStage(stateAfter(entries.length));
    expect(stage && allDivergences(stage)).toMatchObject([
      { metric: 'sampled.exact_match', between: ['before', 'step-4'] },
    ]);
  });

  test('the log warns once with both numbers, and the gauge follows; a coordinator that takes the run over gets it again', () => {
    const logged: string[] = [];
    const log = createLogger({
      service: 'test',
      level: 'warn',
      destination: { write: (line: string) => void logged.push(line) },
    });
    const changes: boolean[] = [];
    const watch = createDivergenceWatch(log, (now) => changes.push(now));
    for (const [, state] of states()) watch.observe(state);
    expect(changes).toEqual([true, false]);
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain('reward 0.350 -> 0.550, sampled.exact_match 0.500 -> 0.200 (before to step-4)');
    createDivergenceWatch(log, (now) => changes.push(now)).observe(stateAfter(diverges + 1));
    expect(changes).toEqual([true, false, true]);
    expect(logged).toHaveLength(2);
  });

  test('the gauge counts runs that diverge, each once', async () => {
    const metrics = createMetrics();
    const events = createCoordinatorEvents(metrics);
    const runs = async () => /^gradus_runs_diverging (\d+)$/m.exec(await metrics.render())?.[1];
    events.rewardDiverges('a', true);
    events.rewardDiverges('a', true);
    events.rewardDiverges('b', true);
    expect(await runs()).toBe('2');
    events.rewardDiverges('a', false);
    expect(await runs()).toBe('1');
  });
});
