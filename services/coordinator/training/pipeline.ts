import { Phase } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { StepFormed } from '#proto/coordinator/v1/ledger_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { errorFrom, throwIfCancelled } from '#platform/errors.ts';
import type { Gather } from '#stages/kit/stage-context.ts';
import type { TrainingStage } from '#stages/kit/training-fields.ts';
import { currentStage, nextStageStep } from '#run/ledger/run-state.ts';
import { cancelSamples, closeSurplusGroups } from '../groups/give-up.ts';
import { formBatch } from './form-batch.ts';
import { longestWaitMs } from '../groups/gather-groups.ts';
import { createGathering } from '../groups/gathering.ts';
import { isKept, progressOf } from '../groups/gather-plan.ts';
import type { Load } from '../groups/gather-plan.ts';
import type { Gathering } from '../groups/gathering.ts';
import { nextAction } from '#run/next-action.ts';
import { promptRows } from '../stages/prompt-rows.ts';
import { createPipelineClock } from './pipeline-clock.ts';
import { noGatherings } from '../watches/run-progress.ts';
import { restoreGatherings } from '../groups/restore-gatherings.ts';
import type { RunContext } from '../run-context.ts';
import { trainStep } from './train-step.ts';
import { trainingPlan } from './training-plan.ts';

/**
 * Why it came to rest: something else is due (an evaluation, the end of the stage), no batch had anything to learn from, or the
 * step in progress was the last one before a stop.
 */
export type PipelineEnd = 'drained' | 'nothing_to_learn' | 'stopped';

type Read = { readonly result: RolloutResult | undefined } | { readonly error: Error };

/**
 * Gathers and trains side by side, as `nextAction` allows it:
 *
 *     gathering g, g+1 .. g+staleness --in order--> formed --> one is trained, loaded, committed
 *
 * One loop owns the state; training and the scoring of settled groups go on at the same time, and wake it when they end. With `max_staleness: 0` nothing
 * is gathered while a batch is trained. The first error ends both, and nothing is left running.
 */
export async function runPipeline(context: RunContext, stage: TrainingStage): Promise<PipelineEnd> {
  const rows = await promptRows(context, stage);
  const halt = new AbortController();
  const signal = AbortSignal.any([context.signal, halt.signal]);
  const clock = createPipelineClock(context.now());
  const gatherings = new Map<number, Gathering>();
  let training: Promise<void> | undefined;
  let failure: Error | undefined;
  let reading: Promise<Read> | undefined;
  let emptyAt = Infinity;
  let lastStep = Infinity;
  const noteStop = () => {
    const { state } = context.ledger;
    // A former leader may have finished the step that was in progress, and died before it wrote the end.
    const doneSince = state.step - (state.stop?.step ?? state.step);
    lastStep = Math.min(lastStep, (currentStage(state)?.steps.length ?? 0) - doneSince);
  };
  context.stopSignal.addEventListener('abort', noteStop, { once: true });
  if (context.stopSignal.aborted) noteStop();

  function train(formed: StepFormed): void {
    training = trainStep(context, formed, clock, signal)
      .catch((thrown: unknown) => {
        failure = errorFrom(thrown);
      })
      .finally(() => {
        training = undefined;
      });
  }

  /** Until a result, the end of the training step, a scored group, or the time when a gathering has to be tended. */
  async function rest(untilMs: number): Promise<void> {
    using timer = abortable();
    const waitMs = Math.max(1, Math.min(longestWaitMs, untilMs - context.now()));
    if (gatherings.size > 0) {
      reading ??= context.intake.next(longestWaitMs, signal).then(
        (result) => ({ result }),
        (thrown: unknown) => ({ error: errorFrom(thrown) }),
      );
    }
    const scored = [...gatherings.values()].map((gathering) => gathering.scored);
    const read = await Promise.race(
      [reading, training, ...scored, sleep(waitMs, timer.signal).catch(() => undefined)].filter(
        (event) => event !== undefined,
      ),
    );
    if (read === undefined) return;
    reading = undefined;
    if ('error' in read) throw read.error;
    if (read.result !== undefined) deliver(read.result);
  }

  function deliver(result: RolloutResult): void {
    for (const gathering of gatherings.values()) {
      const reception = gathering.accept(result);
      if (reception === 'unknown') continue;
      context.events.resultReceived(reception);
      return;
    }
    context.events.resultReceived('unknown');
  }

  /** False when its batch has nothing to learn from. */
  async function tendAll(from: number): Promise<'formed' | 'empty' | 'busy'> {
    const load = () => loadOf(context, stage, gatherings.values());
    for (const [stageStep, gathering] of gatherings) {
      await gathering.tend(load, signal);
      if (stageStep !== from || !gathering.finished) continue;
      gatherings.delete(stageStep);
      return (await formBatch(context, stage, gathering)) ? 'formed' : 'empty';
    }
    const { openSamples } = load();
    clock.inFlight(openSamples, context.now());
    context.events.series.rolloutsOpen(context.runId, openSamples);
    context.events.series.groupsScoring(context.runId, scoringGroups());
    return 'busy';
  }

  async function run(): Promise<PipelineEnd> {
    for (;;) {
      throwIfCancelled(context.signal);
      if (failure !== undefined) throw failure;
      const action = nextAction(context.recipe, context.ledger.state);
      if (action.kind !== 'act') {
        // The step is in the ledger a moment before its promise ends.
        if (training === undefined) return 'drained';
        await training;
        continue;
      }
      const { entered } = action;
      const { state } = context.ledger;
      // What `next` of this stage's kind has just said.
      const { before: gatherBefore } = action.action as Gather;
      const gather = { from: nextStageStep(state), before: gatherBefore };
      const [decided] = state.formed;
      const committed = entered.steps.length;
      if (training === undefined) {
        if (committed > lastStep) return 'stopped';
        if (decided !== undefined) train(decided);
      }
      const before = Math.min(gather.before, emptyAt, lastStep + 1);
      for (const [stageStep, gathering] of gatherings) {
        if (stageStep < before) continue;
        await gathering.leave();
        gatherings.delete(stageStep);
      }
      if (gather.before === 0 || emptyAt < Infinity) await closeSurplusGroups(context);
      const begun: Gathering[] = [];
      for (let stageStep = gather.from; stageStep < before; stageStep++) {
        if (gatherings.has(stageStep)) continue;
        const gathering = createGathering(context, trainingPlan(context, { stage, entered, rows }, stageStep));
        gatherings.set(stageStep, gathering);
        begun.push(gathering);
      }
      await restoreGatherings(context, begun, signal);
      if (gatherings.size === 0 && training === undefined) {
        // A step ended while groups were closed: what follows from it is asked again.
        if (failure !== undefined || context.ledger.state.entries !== state.entries) continue;
        return emptyAt < Infinity ? 'nothing_to_learn' : 'stopped';
      }

      const outcome = await tendAll(gather.from);
      if (outcome === 'empty') emptyAt = gather.from;
      if (outcome !== 'busy') continue;
      const head = gatherings.get(gather.from);
      if (training === undefined && head !== undefined)
        context.progress.update({ phase: Phase.ROLLOUT, ...progressOf(head.plan, head.collector.groups) });
      await rest(Math.min(...[...gatherings.values()].map((gathering) => gathering.wakeAtMs())));
    }
  }

  const scoringGroups = () => [...gatherings.values()].reduce((sum, { scoring }) => sum + scoring.length, 0);

  async function quiet(): Promise<void> {
    halt.abort();
    for (const gathering of gatherings.values()) await gathering.leave();
    await training;
    await reading;
  }

  context.progress.update({ gatherings: () => gatherings.values() });
  try {
    return await run();
  } catch (error) {
    await quiet();
    if (context.signal.aborted) {
      const open = [...gatherings.values()].flatMap((gathering) => gathering.openSamples());
      await cancelSamples(context, open, 'the run is stopped');
    }
    throw error;
  } finally {
    await quiet();
    context.stopSignal.removeEventListener('abort', noteStop);
    context.progress.update({ gatherings: noGatherings });
    clock.inFlight(0, context.now());
    context.events.series.rolloutsOpen(context.runId, 0);
    context.events.series.groupsScoring(context.runId, 0);
  }
}

function loadOf(context: RunContext, stage: TrainingStage, gatherings: Iterable<Gathering>): Load {
  const { state } = context.ledger;
  let openSamples = 0;
  let running = 0;
  let kept = 0;
  for (const { collector } of gatherings) {
    openSamples += collector.openSamples();
    for (const { fate } of collector.groups) {
      if (fate === undefined) running += 1;
      else if (isKept(fate)) kept += 1;
    }
  }
  return {
    openSamples,
    running,
    accepted: nextStageStep(state) * stage.batch.groups + kept,
    version: currentStage(state)?.steps.length ?? 0,
  };
}

function abortable(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  return { signal: controller.signal, [Symbol.dispose]: () => controller.abort() };
}
