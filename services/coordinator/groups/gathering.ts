import { spanIdsOf, withSpan } from '#platform/telemetry/tracing.ts';
import { fateWord } from '#trajectory/enum-words.ts';
import { rolloutSpan } from '#trajectory/rollout-span.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import { CancelledError, TerminalError } from '#platform/errors.ts';
import { createBackgroundScoring } from '../groupwise/background-scoring.ts';
import type { ScoringGroup } from '../groupwise/background-scoring.ts';
import { versionOf } from '#run/ledger/run-state.ts';
import { cancelSamples } from './give-up.ts';
import { isUserCode } from '#run/rollouts/failure-classes.ts';
import { groupAt, wantedGroups } from './gather-plan.ts';
import type { ClosedInit, GatherPlan, Load } from './gather-plan.ts';
import { createGroupCollector } from './group-collector.ts';
import type { GroupCollector, Reception } from './group-collector.ts';
import type { Group, Sample } from './group.ts';
import { stageRoles } from '#recipe/stage-roles.ts';
import { createTaskBuilder } from '#recipe/build-task.ts';
import type { TaskInit } from '#recipe/build-task.ts';
import { evaluationComposition, stageComposition } from '#recipe/stage-scorers.ts';
import { closeEvaluatedGroup } from '../evaluation/evaluation-plan.ts';
import { groupScorer } from '../groupwise/check-reward-service.ts';
import type { GroupScores } from '../groupwise/group-scores.ts';
import { closeTrainingGroup } from '../training/close-training-group.ts';
import { createFailureTally, endedByUserCode } from './failure-budget.ts';
import type { FailureTally } from './failure-budget.ts';
import { resultProblem } from './result-problem.ts';
import { createResultRefusals } from './result-refusals.ts';
import type { RunContext } from '../run-context.ts';

/**
 * The groups of one step or evaluation on their way: opened, published, answered, scored together where the stage wants that,
 * closed. Whoever owns it feeds results and calls `tend` after each, and when `scored` resolves; it has no loop of its own, so several
 * can be tended side by side. Only the scoring goes on by itself, and ends with `leave`.
 */
export interface Gathering {
  readonly plan: GatherPlan;
  readonly collector: GroupCollector;
  /** Of a step of training, against the shares that the recipe allows; undefined for an evaluation. */
  readonly failures: FailureTally | undefined;
  /** In the order of their draws. */
  readonly groups: readonly Group[];
  /** Groups of the ledger whose results have not been read again yet. */
  readonly restoring: boolean;
  readonly startedMs: number;
  accept(result: RolloutResult): Reception;
  /** As `accept`, of a result that an earlier leader may have counted: nothing of it is held against the run. */
  readAgain(result: RolloutResult): Reception;
  /** Publishes what is due, closes what is settled, opens what is wanted. */
  tend(load: () => Load, signal: AbortSignal): Promise<void>;
  /** Everything that was wanted is closed. True only after `tend`. */
  readonly finished: boolean;
  /** When `tend` has something to do even without a result. */
  wakeAtMs(): number;
  /** Samples that the queue may still hold. */
  openSamples(): Sample[];
  /** Groups that are settled and wait for their scores. */
  readonly scoring: readonly ScoringGroup[];
  /** Resolves when `tend` has a scored group to close; undefined while none is being scored. */
  readonly scored: Promise<void> | undefined;
  /** Cancels what is being scored and waits for its end; the ledger knows nothing of it. */
  leave(): Promise<void>;
}

const publishesAtOnce = 64;
/** Trajectories that are looked at together: they may be large. */
const readsAtOnce = 8;

/** Takes up the groups that the ledger has already; with such, `restoreGatherings` comes before the first `tend`. */
export function createGathering(context: RunContext, plan: GatherPlan): Gathering {
  const { recipe } = context;
  const collector = createGroupCollector(plan.policy);
  const kind = plan.purpose === Purpose.EVAL ? 'eval' : 'train';
  const evaluation = plan.purpose === Purpose.EVAL ? plan.evaluation : '';
  const startedMs = context.now();
  const endMs = startedMs + plan.deadlineMs;
  const records = context.ledger.state.groups;
  const scorer = plan.purpose === Purpose.TRAIN ? groupScorer(context, plan.stage) : undefined;
  const scoring = scorer && createBackgroundScoring(scorer, () => context.progress.update({}));
  const failures = plan.purpose === Purpose.TRAIN ? createFailureTally(plan.stage, plan.stageStep) : undefined;
  const composition = stageComposition(recipe, plan.stage);
  const roles = plan.purpose === Purpose.TRAIN ? stageRoles(recipe, plan.stage) : undefined;
  const evaluated = evaluationComposition(recipe, plan.stage);
  const build = createTaskBuilder(recipe, plan.stage);
  const refusals = createResultRefusals(context, {
    problemOf: (result, groupId) => resultProblem(result, groupId, composition, roles),
    missing: (taskId) => collector.missing(taskId)?.group.plan.groupId,
  });
  let expired = false;
  let finished = false;
  let nextDraw = 0;
  for (; nextDraw < records.size; nextDraw++) {
    const next = groupAt(plan, nextDraw);
    if (next === undefined || !records.has(next.groupId)) break;
    collector.add(next, startedMs);
  }
  const restoring = nextDraw > 0;

  function taskOf({ plan: { groupId, row, seed } }: Group, { taskId, index, attempt }: Sample): TaskInit {
    const { purpose, modes } = plan;
    const mode = modes[index] ?? (purpose === Purpose.EVAL ? 'sampled' : 'train');
    const parts = { runId: context.runId, taskId, groupId, sampleIndex: index, attempt, row, purpose };
    return build({ ...parts, mode, groupSeed: seed });
  }

  async function publish(group: Group, samples: readonly Sample[], signal: AbortSignal): Promise<void> {
    await mapConcurrent(
      samples,
      publishesAtOnce,
      async (sample) => {
        // The ledger's version was loaded before it got there: an older one may not write for this task.
        const task = { ...taskOf(group, sample), policyVersion: BigInt(versionOf(context.ledger.state)) };
        const { duplicate, sequence } = await context.publisher.publish(task, plan.purpose, signal);
        context.events.taskPublished(kind, sample.attempt > 0);
        sample.publishedMs = context.now();
        // This attempt was asked before and is neither queued nor answered: only a new one can bring a result.
        if (duplicate) collector.skipAttempt(sample, context.now());
        // With an earlier attempt, both may be in the queue.
        sample.sequence = sample.attempt === 0 ? sequence : undefined;
      },
      signal,
    );
  }

  async function openGroups(load: () => Load, signal: AbortSignal): Promise<void> {
    const wanted = wantedGroups(plan, context.openRollouts(plan.modes.length), collector.groups, load());
    for (let count = wanted; count > 0; count--) {
      const next = groupAt(plan, nextDraw);
      if (next === undefined) return;
      // In the ledger first: a result never belongs to a group that nobody knows.
      await context.ledger.append({
        case: 'groupOpened',
        value: {
          groupId: next.groupId,
          stage: plan.stage.name,
          step: plan.stageStep,
          purpose: plan.purpose,
          questionId: next.row.id,
          taskIds: [...next.taskIds],
          evaluation,
        },
      });
      nextDraw += 1;
      const group = collector.add(next, context.now());
      context.events.groupOpened(kind);
      await publish(group, group.samples, signal);
    }
  }

  function receive(result: RolloutResult): { readonly taken: RolloutResult; readonly reception: Reception } {
    const taken = refusals.checked(result);
    const reception = collector.accept(taken, context.now());
    return { taken, reception: taken !== result && reception === 'failed' ? 'refused' : reception };
  }

  /** What is decided must be there to be trained on: groups of which a trajectory is missing are waited for again. */
  async function takeSettled(signal: AbortSignal): Promise<Group[]> {
    const settled = collector.takeSettled(context.now());
    if (plan.purpose !== Purpose.TRAIN) return settled;
    const answered = settled.flatMap((group) =>
      group.samples.flatMap((sample) =>
        sample.result === undefined ? [] : [{ group, sample, result: sample.result }],
      ),
    );
    await mapConcurrent(
      answered,
      readsAtOnce,
      async ({ group, sample, result }) => {
        if (await context.hasTrajectory(result, signal)) return;
        const problem = `trajectory_sequence: ${result.trajectorySequence}; no trajectory of this task lies there`;
        failures?.result(refusals.refuse(result, problem), 'refused');
        context.events.resultReceived('refused');
        collector.takeBack(group, sample, context.now());
      },
      signal,
    );
    // After the deadline nobody is waited for, and so nobody again.
    if (expired) collector.giveUp();
    return settled.filter((group) => group.settledAtMs !== undefined);
  }

  async function closeGroups(signal: AbortSignal): Promise<void> {
    const settled = await takeSettled(signal);
    await refusals.record();
    if (scoring === undefined) {
      for (const group of settled) await closeGroup(group, outcomeOf(group));
      return;
    }
    for (const group of settled) scoring.begin(group);
    const scored = scoring.takeScored();
    const closing = scored.map(({ group, scores }) => {
      group.scoringSeconds = scores.seconds;
      for (const missing of scores.missing) failures?.unscored(missing);
      return { group, closed: outcomeOf(group, scores) };
    });
    // Before they are closed: a run that ends here asks for the scores again when it is resumed, and the rollouts are not lost.
    failures?.check(collector.groups, closing);
    for (const { group, closed } of closing) await closeGroup(group, closed);
  }

  function outcomeOf(group: Group, scores?: GroupScores): ClosedInit {
    return plan.purpose === Purpose.EVAL
      ? closeEvaluatedGroup(evaluated, group)
      : closeTrainingGroup({ stage: plan.stage, composition, ...(roles && { roles }) }, group, scores);
  }

  /** What the close changes here is read from the ledger's state, as it is after a resume. */
  async function closeGroup(group: Group, value: ClosedInit): Promise<void> {
    const { groupId, taskIds } = group.plan;
    await withSpan(
      'run.group',
      {
        'gradus.run': context.runId,
        'gradus.stage': plan.stage.name,
        'gradus.group': groupId,
        'gradus.fate': fateWord(value.fate),
      },
      () => context.ledger.append({ case: 'groupClosed', value }),
      {
        // Not of the call that submitted the run, whose trace would never end.
        root: spanIdsOf('group', context.runId, groupId),
        links: taskIds.map((taskId) => rolloutSpan(context.runId, taskId)),
        startedMs: group.openedAtMs,
      },
    );
    const closed = context.ledger.state.groups.get(groupId)?.closed;
    if (closed === undefined) throw new TerminalError('internal', `the ledger has no close of group ${groupId}`);
    collector.close(group, closed, context.now());
    context.events.groupClosed(closed.fate, ((group.settledAtMs ?? 0) - group.openedAtMs) / 1000);
  }

  function giveUpWhenLate(): void {
    if (expired || context.now() < endMs) return;
    expired = true;
    const { stage, deadlineMs } = plan;
    const open = collector.openSamples();
    context.log.warn(
      { open, deadlineMs, stage: stage.name, evaluation },
      'the deadline has passed; what is missing is given up',
    );
    collector.giveUp();
    scoring?.expire(
      new CancelledError('deadline_exceeded', `the deadline of the step (deadlines.step_ms: ${deadlineMs}) has passed`),
    );
  }

  return {
    plan,
    collector,
    failures,
    restoring,
    startedMs,
    get groups() {
      return collector.groups.toSorted((a, b) => a.plan.draw - b.plan.draw);
    },
    get finished() {
      return finished;
    },
    accept(result) {
      const { taken, reception } = receive(result);
      if (reception === 'failed' && isUserCode(taken.failure)) throw endedByUserCode(taken);
      if (reception !== 'unknown') failures?.result(taken, reception);
      return reception;
    },
    readAgain: (result) => receive(result).reception,
    async tend(load, signal) {
      giveUpWhenLate();
      for (const { group, sample } of collector.takeDue(context.now())) await publish(group, [sample], signal);
      await closeGroups(signal);
      await cancelSamples(context, collector.takeAbandoned(), 'nobody waits for them any more');
      failures?.check(collector.groups);
      if (!expired) await openGroups(load, signal);
      finished = collector.openSamples() === 0 && collector.groups.every((group) => group.fate !== undefined);
    },
    wakeAtMs: () => Math.min(collector.nextDeadlineMs(), expired ? Infinity : endMs),
    openSamples: () =>
      collector.groups.flatMap((group) =>
        group.samples.filter((sample) => sample.state === 'open' || sample.state === 'waiting'),
      ),
    get scoring() {
      return scoring?.running ?? [];
    },
    get scored() {
      return scoring?.next;
    },
    leave: async () => await scoring?.leave(),
  };
}
