import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { GroupFate, LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { repositoryRoot } from '#platform/repository.ts';
import type { Recipe } from '#recipe/schema.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { foldEntry } from './fold.ts';
import type { FactInit } from './read-ledger.ts';
import { currentStage, isTrained, newRunState, nextStageStep, versionOf } from './run-state.ts';
import type { RunState } from './run-state.ts';

let clock = 0;
const fold = (state: RunState, ...facts: FactInit[]): RunState =>
  facts.reduce(
    (folded, fact) => foldEntry(folded, create(LedgerEntrySchema, { runId: 'r', atMs: BigInt((clock += 1000)), fact })),
    state,
  );

const started: FactInit = {
  case: 'runStarted',
  value: { recipeJson: '{}', recipeHash: 'h', seed: 5n, directory: '/d' },
};
const entered = (stage = 'one', stageIndex = 0): FactInit => ({ case: 'stageEntered', value: { stage, stageIndex } });
const opened = (groupId: string, stageStep = 0): FactInit => ({
  case: 'groupOpened',
  value: { groupId, step: stageStep, purpose: Purpose.TRAIN, taskIds: [`${groupId}-0`] },
});
const closed = (groupId: string, reward = 1): FactInit => ({
  case: 'groupClosed',
  value: { groupId, fate: GroupFate.KEPT, samples: [{ taskId: `${groupId}-0`, reward }] },
});
const formed = (step: number): FactInit => ({
  case: 'stepFormed',
  value: { step: BigInt(step), stage: 'one', stageStep: step - 1, samples: [] },
});
const committed = (step: number, checkpointPath = ''): FactInit => ({
  case: 'stepCommitted',
  value: {
    step: BigInt(step),
    version: BigInt(step),
    weightsPath: `/v/${step}`,
    checkpointPath,
    metrics: { 'reward/mean': 0.5 },
  },
});
const evaluated = (name: string): FactInit => ({
  case: 'evalFinished',
  value: { stage: 'one', name, metrics: { 'sampled.exact_match': 0.25 } },
});
const gate = (action: string): FactInit => ({
  case: 'gateDecided',
  value: { stage: 'one', passed: false, action, reason: 'r' },
});
const ended = (state: string): FactInit => ({ case: 'runEnded', value: { state, message: 'm' } });

const left = (artefact: string, digest: string): FactInit => ({
  case: 'artefactLeft',
  value: { stage: 'one', artefact, digest },
});

const fresh = () => fold(newRunState('r'), started, entered());

const queued = (more: { recipeJson?: string; directory?: string } = {}): FactInit => ({
  case: 'runQueued',
  value: {
    recipeJson: '{}',
    recipeHash: 'h',
    seed: 5n,
    directory: '/d',
    fleetId: 'f',
    priority: 3,
    inputs: [{ name: 'train', path: '/t', digest: 'a', sizeBytes: 1n }],
    acceptChanged: ['data'],
    ...more,
  },
});

describe('a run that waits in the queue', () => {
  it('P1: has the recipe, priority and files that it will begin with, and keeps those of its queue when it begins', () => {
    const waiting = fold(newRunState('r'), queued(), queued());
    expect(waiting).toMatchObject({
      life: 'queued',
      begun: false,
      priority: 3,
      recipeHash: 'h',
      directory: '/d',
      entries: 1,
    });
    expect(waiting.queued).toEqual({ fleetId: 'f', recipeJson: '', directory: '', acceptChanged: ['data'] });
    const begun = fold(waiting, started);
    expect(begun).toMatchObject({ life: 'running', begun: true, queued: undefined, priority: 3, activeMs: 0 });
    expect(begun.inputs).toEqual([{ name: 'train', path: '/t', digest: 'a', bytes: 1 }]);
  });

  it('is stopped where it is cancelled, has not begun, and may be queued and begin after that', () => {
    const cancelled = fold(newRunState('r'), queued(), ended('stopped'));
    expect(cancelled).toMatchObject({ life: 'stopped', begun: false, queued: undefined, message: 'm' });
    const again = fold(cancelled, queued({ recipeJson: '', directory: '' }));
    expect(again).toMatchObject({ life: 'queued', recipeJson: '{}', directory: '/d', message: '' });
    expect(fold(again, started)).toMatchObject({ life: 'running', begun: true, message: '' });
  });

  it('goes on where it was when it was queued to be resumed', () => {
    const stopped = fold(newRunState('r'), started, entered(), formed(1), committed(1), ended('stopped'));
    const waiting = fold(stopped, queued({ recipeJson: '{"edited":1}', directory: '/moved' }));
    expect(waiting).toMatchObject({ life: 'queued', begun: true, step: 1, recipeJson: '{}', directory: '/d' });
    expect(waiting.queued).toMatchObject({ recipeJson: '{"edited":1}', directory: '/moved' });
    expect(fold(waiting, { case: 'runResumed', value: { learnerStep: 1n } })).toMatchObject({
      life: 'running',
      step: 1,
      queued: undefined,
    });
  });

  it('cannot be one that goes on', () => {
    expect(() => fold(newRunState('r'), started, queued())).toThrow('the run is running');
  });
});

describe('the state of a run', () => {
  it('has the newest digest of what each stage left; the same fact again changes nothing', () => {
    const state = fold(fresh(), left('rows', 'd1'), left('weights', 'd2'), left('rows', 'd3'));
    expect([...state.artefacts]).toEqual([
      ['one/rows', 'd3'],
      ['one/weights', 'd2'],
    ]);
    expect(fold(state, left('rows', 'd3'))).toBe(state);
  });

  it('begins with what the run was started with', () => {
    expect(fold(newRunState('r'), started)).toMatchObject({
      life: 'running',
      recipeHash: 'h',
      seed: 5,
      directory: '/d',
      step: 0,
    });
  });

  it('knows the groups in progress, and forgets them when the step is committed', () => {
    const gathering = fold(fresh(), opened('a'), opened('b'), closed('a'));
    expect([...gathering.groups.values()].map((group) => group.closed?.fate)).toEqual([GroupFate.KEPT, undefined]);
    const decided = fold(gathering, formed(1));
    expect(decided.formed.map(({ step }) => step)).toEqual([1n]);
    expect(decided.groups.size).toBe(2);
    const done = fold(decided, committed(1));
    expect(done).toMatchObject({ step: 1, formed: [], weightsPath: '/v/1' });
    expect(done.groups.size).toBe(0);
    expect(versionOf(done)).toBe(1);
    expect(currentStage(done)?.steps).toHaveLength(1);
  });

  it('keeps decided batches in order, and the groups of several steps until each is committed', () => {
    const ahead = fold(
      fresh(),
      opened('a'),
      opened('b', 1),
      closed('a'),
      closed('b'),
      formed(1),
      formed(2),
      opened('c', 2),
    );
    expect(ahead.formed.map(({ step }) => step)).toEqual([1n, 2n]);
    expect([...ahead.groups.keys()]).toEqual(['a', 'b', 'c']);
    expect(nextStageStep(ahead)).toBe(2);
    expect(fold(ahead, formed(1), formed(2))).toBe(ahead);
    const one = fold(ahead, committed(1));
    expect([...one.groups.keys()]).toEqual(['b', 'c']);
    expect(one.formed.map(({ step }) => step)).toEqual([2n]);
    expect(nextStageStep(one)).toBe(2);
    const two = fold(one, committed(1), committed(2));
    expect([...two.groups.keys()]).toEqual(['c']);
    expect(two).toMatchObject({ step: 2, formed: [], weightsPath: '/v/2' });
  });

  it('P6: keeps all metrics of the newest step only, and of others what a kind of stage remembers', () => {
    const step = (number: number): FactInit => ({
      case: 'stepCommitted',
      value: {
        step: BigInt(number),
        version: BigInt(number),
        metrics: { 'reward/mean': number, 'prompts/band_empty': 0, 'prompts/in_band': 3, entropy: 1 },
      },
    });
    const state = fold(fresh(), formed(1), step(1), formed(2), step(2));
    expect(currentStage(state)?.steps.map(({ metrics }) => metrics)).toEqual([
      { 'reward/mean': 1, 'prompts/band_empty': 0 },
      { 'reward/mean': 2, 'prompts/band_empty': 0, 'prompts/in_band': 3, entropy: 1 },
    ]);
  });

  it('P9: a policy is trained once a step had a gradient, also one that learned nothing', () => {
    const builtin = parseRecipe(readFileSync(join(repositoryRoot, 'tests/e2e/tiny.yaml'), 'utf8'), 'tiny.yaml');
    const by = (kind: 'builtin' | 'external' | 'scripted'): Pick<Recipe, 'fleet'> => ({
      fleet: { ...builtin.fleet, learner: { ...builtin.fleet.learner, kind } },
    });
    const after = (...gradients: readonly (number | undefined)[]) => afterBy('builtin', gradients);
    const afterBy = (kind: 'builtin' | 'external' | 'scripted', gradients: readonly (number | undefined)[]) =>
      isTrained(
        by(kind),
        gradients.reduce<RunState>((state, gradient, index) => {
          const step = index + 1;
          const metrics = { learned: 0, ...(gradient !== undefined && { grad_norm: gradient }) };
          return fold(state, formed(step), { case: 'stepCommitted', value: { step: BigInt(step), metrics } });
        }, fresh()),
      );
    expect([after(), after(0), after(0, 0, 0)]).toEqual([false, false, false]);
    // Of a gradient that was not finite nothing is known, so its weights are kept.
    expect([after(0.2), after(0.2, 0, 0), after(undefined, 0)]).toEqual([true, true, true]);
    expect([afterBy('external', [0.2]), afterBy('scripted', [0.2])]).toEqual([true, false]);
  });

  it('a stage that a ledger of an earlier version calls exhausted had nothing to learn', () => {
    const reasonOf = (reason: string) =>
      currentStage(fold(fresh(), { case: 'stageFinished', value: { stage: 'one', reason } }))?.finished;
    expect(['exhausted', 'plateau'].map(reasonOf)).toEqual([{ reason: 'nothing_to_learn' }, { reason: 'plateau' }]);
  });

  it('P1: does not count a fact that was appended twice', () => {
    const once = fold(fresh(), opened('a'), closed('a', 1), formed(1), committed(1), evaluated('before'));
    const doubled = [started, entered(), committed(1), formed(1), evaluated('before')];
    for (const fact of doubled) expect(fold(once, fact)).toBe(once);
    const gathering = fold(fresh(), opened('a'), closed('a', 1));
    expect(fold(gathering, opened('a'), closed('a', 0)).groups.get('a')?.closed?.samples[0]?.reward).toBe(1);
  });

  it('keeps the batches that a learner may have to see again, back to the third last checkpoint', () => {
    let state = fresh();
    for (let step = 1; step <= 8; step++)
      state = fold(state, formed(step), committed(step, step % 2 === 0 ? `/c/${step}` : ''));
    expect(state.checkpoints).toEqual([4, 6, 8]);
    expect(state.replayable.map((batch) => Number(batch.step))).toEqual([5, 6, 7, 8]);
    let short = fresh();
    for (let step = 1; step <= 3; step++) short = fold(short, formed(step), committed(step, step === 2 ? '/c/2' : ''));
    expect(short.replayable.map((batch) => Number(batch.step))).toEqual([1, 2, 3]);
  });

  it('enters a stage again only when its gate asks for it', () => {
    const first = fold(fresh(), gate('repeat'), entered());
    expect(first.stages.map((stage) => stage.round)).toEqual([0, 1]);
    expect(fold(first, entered()).stages).toHaveLength(2);
  });

  it('starts a branch at a roll-back: versions go on, the learner counts from 0', () => {
    const back = fold(fresh(), formed(1), committed(1), formed(2), committed(2), gate('roll_back'));
    expect(back).toMatchObject({
      step: 2,
      weightsPath: '',
      replayable: [],
      branch: { index: 1, baseStep: 2, baseVersion: 3 },
    });
    expect(versionOf(back)).toBe(3);
    expect(versionOf(fold(back, entered('two', 1), formed(3), committed(3)))).toBe(4);
  });

  it('counts its versions on from where another run left the engines, in the stage in progress too', () => {
    const moved = fold(fresh(), entered('one', 0), formed(1), committed(1), {
      case: 'versionsMoved',
      value: { by: 7n },
    });
    expect(versionOf(moved)).toBe(8);
    expect(moved.stages.at(-1)).toMatchObject({ entryVersion: 7, steps: [{ version: 1 }] });
    expect(versionOf(fold(moved, formed(2), committed(2)))).toBe(9);
  });

  it('ends, and goes on when it is resumed', () => {
    for (const life of ['stopped', 'failed', 'finished'])
      expect(fold(fresh(), ended(life))).toMatchObject({ life, message: 'm' });
    expect(fold(fresh(), ended('stopped'), { case: 'runResumed', value: {} })).toMatchObject({
      life: 'running',
      message: '',
    });
  });

  it('goes on in another directory when it was moved there, and stays where it is when it was not', () => {
    const stopped: FactInit = { case: 'runEnded', value: { state: 'stopped', message: 'm' } };
    const run = fold(newRunState('r'), started, entered(), formed(1), committed(1), stopped);
    const inRun = { ...run, weightsPath: '/d/versions/000001' };
    const move: FactInit = { case: 'runResumed', value: { directory: '/new/d', recipeJson: '{"new":1}' } };
    expect(fold(inRun, move)).toMatchObject({
      life: 'running',
      directory: '/new/d',
      recipeJson: '{"new":1}',
      recipeHash: 'h',
      weightsPath: '/new/d/versions/000001',
    });
    expect(fold(run, move).weightsPath).toBe('/v/1');
    const resumed = fold(inRun, { case: 'runResumed', value: {} });
    expect(resumed).toMatchObject({ directory: '/d', recipeJson: '{}', weightsPath: '/d/versions/000001' });
  });

  it('counts time only while it runs', () => {
    clock = 0;
    const stopped = fold(newRunState('r'), started, entered(), ended('stopped'));
    clock += 100_000;
    const resumed = fold(stopped, { case: 'runResumed', value: {} }, opened('a'));
    expect(resumed.activeMs).toBe(3000);
    clock += 100_000;
    // After a crash there is no end: the time until the resume is not the run's either.
    expect(fold(resumed, { case: 'runResumed', value: {} }).activeMs).toBe(3000);
  });

  it('keeps the evaluation of the untrained policy apart from those of the stages', () => {
    const state = fold(fresh(), evaluated('before'), evaluated('baseline'));
    expect(state.baseline?.metrics).toEqual({ 'sampled.exact_match': 0.25 });
    expect(currentStage(state)?.evaluations.map((evaluation) => evaluation.name)).toEqual(['before']);
  });
});

describe('a ledger that is not whole', () => {
  it.each<[string, RunState, FactInit]>([
    ['closes a group that nobody opened', fresh(), closed('x')],
    ['skips a step', fresh(), formed(2)],
    ['commits a step that was not formed', fresh(), committed(1)],
    ['commits the second batch before the first', fold(fresh(), formed(1), formed(2)), committed(2)],
    ['skips a step behind one that waits', fold(fresh(), formed(1)), formed(3)],
    ['ends a stage while a batch waits', fold(fresh(), formed(1)), { case: 'stageFinished', value: { stage: 'one' } }],
    ['goes on after the end', fold(fresh(), ended('finished')), opened('a')],
    ['begins without a start', newRunState('r'), entered()],
    ['evaluates outside a stage', fold(newRunState('r'), started), evaluated('before')],
    ['has an entry without a fact', fresh(), { case: undefined }],
  ])('is refused when it %s', (_what, state, fact) => {
    expect(() => fold(state, fact)).toThrow(/the ledger of run r is not whole/);
  });

  it('is refused when a run ends in an unknown way', () => {
    expect(() => fold(fresh(), ended('paused'))).toThrow("ended as 'paused'");
  });
});

describe('a request to stop', () => {
  const asked = (now = false): FactInit => ({ case: 'stopRequested', value: { now } });
  const resumed = (takenOver: boolean): FactInit => ({ case: 'runResumed', value: { takenOver } });

  it('is kept with the step that was in progress, and only becomes more urgent', () => {
    const state = fold(fresh(), opened('a'), closed('a'), formed(1), asked(), committed(1));
    expect(state.stop).toEqual({ now: false, step: 0 });
    expect(fold(state, asked()).entries).toBe(state.entries);
    expect(fold(state, asked(true), asked(false)).stop).toEqual({ now: true, step: 0 });
  });

  it('holds for the coordinator that takes the run over, and is taken back by a resume that was asked for', () => {
    expect(fold(fresh(), asked(), resumed(true)).stop).toEqual({ now: false, step: 0 });
    expect(fold(fresh(), asked(), resumed(false)).stop).toBeUndefined();
    expect(fold(fresh(), asked(), ended('stopped'), resumed(false))).toMatchObject({
      life: 'running',
      stop: undefined,
    });
  });

  it('changes nothing after the end', () => {
    const over = fold(fresh(), ended('finished'));
    expect(fold(over, asked())).toBe(over);
  });
});
