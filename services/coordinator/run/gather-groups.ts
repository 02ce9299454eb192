import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GroupClosedSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { mapConcurrent } from '#shared/async/map-concurrent.ts';
import { throwIfCancelled } from '#shared/errors.ts';
import type { StageRecipe } from '#shared/recipe/schema.ts';
import { createGroupCollector } from './group-collector.ts';
import type { CollectorPolicy, Group, GroupCollector, GroupPlan, Sample } from './group-collector.ts';
import type { RunContext } from './run-context.ts';
import type { TaskInit } from './task-builder.ts';

/** The groups that a step or an evaluation needs. */
export interface GatherPlan {
  readonly stage: StageRecipe;
  /** Step of the stage. */
  readonly stageStep: number;
  readonly purpose: Purpose;
  /** Empty for training. */
  readonly evaluation: string;
  readonly policy: CollectorPolicy;
  /** Longest time for all groups together; what is missing then is given up (P3). */
  readonly deadlineMs: number;
  /** The group of a draw, counted from 0; undefined when there is no such draw. Pure (P8). */
  planAt(draw: number): GroupPlan | undefined;
  /** How many groups to open now. */
  wanted(groups: readonly Group[], openSamples: number): number;
  task(group: Group, sample: Sample): TaskInit;
  close(group: Group): MessageInitShape<typeof GroupClosedSchema> & { readonly fate: number };
  /** Rollouts that are in, and expected so far. */
  progress(groups: readonly Group[]): { readonly done: number; readonly expected: number };
}

/** Longest sleep while results are expected: bounds how late a change of plan is seen. */
const longestWaitMs = 10_000;
const publishesAtOnce = 64;

/**
 * Opens groups, publishes their tasks, takes their results and closes them until nothing is wanted any more. Groups that
 * the ledger has already go on where they were: only what neither waits in the queue nor has a result is published again.
 */
export async function gatherGroups(
  context: RunContext,
  plan: GatherPlan,
  signal: AbortSignal,
): Promise<readonly Group[]> {
  const collector = createGroupCollector(plan.policy);
  const kind = plan.purpose === Purpose.EVAL ? 'eval' : 'train';
  const endMs = context.now() + plan.deadlineMs;
  let nextDraw = await restoreGroups(context, plan, collector, signal);

  async function publish(group: Group, samples: readonly Sample[]): Promise<void> {
    await mapConcurrent(
      samples,
      publishesAtOnce,
      async (sample) => {
        const { duplicate } = await context.publisher.publish(plan.task(group, sample), plan.purpose, signal);
        context.events.taskPublished(kind, sample.attempt > 0);
        // This attempt was asked before and is neither queued nor answered: only a new one can bring a result.
        if (duplicate) collector.skipAttempt(sample, context.now());
      },
      signal,
    );
  }

  async function openGroups(): Promise<void> {
    for (let count = plan.wanted(collector.groups, collector.openSamples()); count > 0; count--) {
      const next = plan.planAt(nextDraw);
      if (next === undefined) return;
      // In the ledger first: a result never belongs to a group that nobody knows.
      await context.ledger.append({
        case: 'groupOpened',
        value: {
          groupId: next.groupId,
          stage: plan.stage.name,
          step: plan.stageStep,
          purpose: plan.purpose,
          questionId: next.question.id,
          taskIds: [...next.taskIds],
          evaluation: plan.evaluation,
        },
      });
      nextDraw += 1;
      const group = collector.add(next, context.now());
      context.events.groupOpened(kind);
      await publish(group, group.samples);
    }
  }

  async function closeGroups(): Promise<void> {
    for (const group of collector.takeSettled(context.now())) {
      const closed = plan.close(group);
      await context.ledger.append({ case: 'groupClosed', value: closed });
      group.closed = true;
      context.events.groupClosed(closed.fate, ((group.settledAtMs ?? 0) - group.openedAtMs) / 1000);
    }
  }

  for (;;) {
    throwIfCancelled(signal);
    for (const { group, sample } of collector.takeDue(context.now())) await publish(group, [sample]);
    await closeGroups();
    await openGroups();
    const open = collector.openSamples();
    context.events.rolloutsOpen(open);
    context.progress.update(plan.progress(collector.groups));
    if (open === 0 && collector.groups.every((group) => group.closed)) break;

    const waitMs = Math.min(longestWaitMs, collector.nextDeadlineMs() - context.now(), endMs - context.now());
    const result = await context.intake.next(Math.max(1, waitMs), signal);
    if (result !== undefined) context.events.resultReceived(collector.accept(result, context.now()));
    if (context.now() >= endMs) {
      context.log.warn(
        {
          open: collector.openSamples(),
          deadlineMs: plan.deadlineMs,
          stage: plan.stage.name,
          evaluation: plan.evaluation,
        },
        'the deadline has passed; what is missing is given up',
      );
      collector.giveUp();
    }
  }
  return collector.groups.toSorted((a, b) => a.plan.draw - b.plan.draw);
}

/** Groups of the ledger, with the results that are there. Gives the first draw that was not opened. */
export async function restoreGroups(
  context: RunContext,
  plan: GatherPlan,
  collector: GroupCollector,
  signal: AbortSignal,
): Promise<number> {
  const records = context.ledger.state.groups;
  let draw = 0;
  for (; draw < records.size; draw++) {
    const next = plan.planAt(draw);
    if (next === undefined || !records.has(next.groupId)) break;
    collector.add(next, context.now());
  }
  if (draw === 0) return 0;

  // The queue first, then the results: a task that left the queue has left its result before.
  const outstanding = await context.publisher.outstanding(signal);
  const newest = await context.intake.newest(signal);
  while (context.intake.position < newest) {
    const result = await context.intake.next(longestWaitMs, signal);
    if (result !== undefined) context.events.resultReceived(collector.accept(result, context.now()));
  }
  for (const group of collector.groups) {
    const closed = records.get(group.plan.groupId)?.closed;
    for (const sample of group.samples) {
      if (closed !== undefined) {
        // The ledger has decided: what it counted counts, what it called absent stays absent.
        const counted = closed.samples.some(
          (outcome) => outcome.taskId === sample.taskId && outcome.reward !== undefined,
        );
        sample.state = counted ? 'done' : 'absent';
        if (!counted) sample.result = undefined;
      } else if (sample.state === 'open' || sample.state === 'waiting') {
        const queued = outstanding.get(sample.taskId);
        const inQueue = queued !== undefined && queued >= sample.attempt;
        sample.state = inQueue ? 'open' : 'waiting';
        sample.attempt = inQueue ? queued : sample.attempt;
        sample.askAtMs = context.now();
      }
    }
    if (closed !== undefined) {
      group.settledAtMs = context.now();
      group.closed = true;
    }
  }
  return draw;
}
