import { FailureClass, type RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { CancelledError, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import { retryHeader } from '#platform/nats/dead-letters.ts';
import type { TaskMessage } from '#platform/nats/messages.ts';
import type { EnvironmentLease, EnvironmentRegistry } from '#environments/registry.ts';
import { InfrastructureFailure, infrastructureFailureFrom } from '../episode/infrastructure-failure.ts';
import { annotateSpan } from '#platform/telemetry/tracing.ts';
import { resultAttributes, taskAttributes } from '#trajectory/rollout-span.ts';
import { compose } from '#rewards/compose.ts';
import { decodeTask, parseTask, type ParsedTask } from '../episode/parse-task.ts';
import { failedResult, finishedResult, trajectoryOf, type Provenance } from '../episode/rollout-result.ts';
import { runRollout, type RolloutPorts } from '../episode/run-rollout.ts';
import type { RolloutEvents } from '../events.ts';
import type { Cancellations } from '../worker/cancellations.ts';
import type { Outbox } from '../worker/outbox.ts';
import { ofEnvironment, UserCodeFailure } from '../episode/user-code-failure.ts';

export interface RolloutTaskContext {
  readonly workerId: string;
  readonly maxDeliveries: number;
  readonly redeliveryDelayMs: number;
  readonly environments: EnvironmentRegistry;
  readonly ports: RolloutPorts;
  readonly cancellations: Cancellations;
  readonly outbox: Outbox;
  readonly events: RolloutEvents;
}

const MAX_REDELIVERY_DELAY_MS = 30_000;

/**
 * One delivery of one task. Ends in exactly one of:
 *
 *   result published -> ack            the rollout ended, well or badly
 *   failure published -> ack           the platform failed, and this was the last delivery or it would fail everywhere
 *   result of user code -> ack         code of the recipe's own threw: the run ends with it
 *   nak with delay                     the platform failed here; another delivery follows
 *   handed back                        this worker stops (`signal` aborted)
 *   discard                            the coordinator cancelled the task: no result, no trajectory
 *   dead letter (+ failure) -> term    the task can never be worked on
 *
 * Nothing is acked before the effect is on disk; what throws here is delivered again.
 */
export async function handleRolloutTask(
  context: RolloutTaskContext,
  message: TaskMessage,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = performance.now();
  const provenance = (): Provenance => ({
    workerId: context.workerId,
    durationMs: Math.round(performance.now() - startedAt),
  });
  let task: RolloutTask | undefined;
  let parsed: ParsedTask;
  let lease: EnvironmentLease;
  try {
    task = decodeTask(message.data);
    annotateSpan({ ...taskAttributes(task), 'gradus.delivery': message.redeliveries + 1 });
    parsed = parseTask(task, message.redeliveries + 1);
    const { environment } = task;
    const options = parsed.environmentOptions;
    lease = await ofEnvironment(environment, 'open', () => context.environments.acquire(environment, options));
  } catch (thrown) {
    if (task !== undefined && thrown instanceof UserCodeFailure) {
      await publish(context, message, failedResult(task, thrown, provenance()), new AbortController().signal);
      await confirm(context, task.taskId, message);
      return;
    }
    await deadLetter(context, message, task, errorFrom(thrown).message, provenance());
    return;
  }

  using used = lease;
  using cancelled = context.cancellations.watch(task.runId, task.taskId, message.sequence);
  using stopped = deadlineSignal([signal, cancelled.signal], Infinity);
  try {
    const finished = await runRollout(parsed, used, context.ports, stopped.signal);
    throwIfCancelled(cancelled.signal);
    // From here on nothing is cancelled by a drain: the work is done, only its record is missing.
    const published = new AbortController().signal;
    const sequence = await context.outbox.trajectory(
      parsed.task,
      message.redeliveries,
      trajectoryOf(parsed.task, message.data, finished),
      published,
    );
    const result = finishedResult(parsed.task, finished, sequence, provenance());
    annotateSpan({ 'gradus.reward': rewardOf(parsed.task, result) });
    await publish(context, message, result, published);
  } catch (thrown) {
    if (cancelled.signal.aborted) {
      context.events.taskCancelled(parsed.task, errorFrom(cancelled.signal.reason).message);
      await message.discard();
      return;
    }
    if (thrown instanceof CancelledError && signal.aborted) {
      context.events.taskDrained(parsed.task.taskId);
      await message.handBack();
      return;
    }
    if (thrown instanceof UserCodeFailure) {
      const result = failedResult(parsed.task, thrown, provenance());
      await publish(context, message, result, new AbortController().signal);
      await confirm(context, parsed.task.taskId, message);
      return;
    }
    const failure =
      thrown instanceof InfrastructureFailure
        ? thrown
        : infrastructureFailureFrom(FailureClass.INTERNAL, 'unexpected', errorFrom(thrown));
    // A task whose workers died has not failed by itself: only failures use up its deliveries.
    const failures = failure.retryable ? await message.failures() : 0;
    if (failure.retryable && failures + 1 < context.maxDeliveries) {
      const delayMs = Math.min(MAX_REDELIVERY_DELAY_MS, context.redeliveryDelayMs * 2 ** failures);
      context.events.taskHandedBack(parsed.task, failure, delayMs);
      await message.nak(delayMs);
      return;
    }
    await publish(context, message, failedResult(parsed.task, failure, provenance()), new AbortController().signal);
  }
  await confirm(context, parsed.task.taskId, message);
}

/** What the coordinator will make of it; undefined while a component is absent, as before a comparison with its group. */
function rewardOf({ composition }: RolloutTask, result: RolloutResult): number | undefined {
  return composition === undefined ? undefined : compose(composition, result);
}

async function publish(
  context: RolloutTaskContext,
  message: TaskMessage,
  result: RolloutResult,
  signal: AbortSignal,
): Promise<void> {
  annotateSpan(resultAttributes(result));
  const { duplicate } = await context.outbox.result(result, message.headers.get(retryHeader), signal);
  context.events.resultPublished(result, duplicate);
}

/** An ack that is lost costs a second run of the task, whose result the server and the coordinator drop: never more. */
async function confirm(context: RolloutTaskContext, taskId: string, message: TaskMessage): Promise<void> {
  try {
    await message.ack();
  } catch (thrown) {
    context.events.ackUnconfirmed(taskId, thrown);
  }
}

/** A task that must fail everywhere. The coordinator that asked for it is notified, when the task names it. */
async function deadLetter(
  context: RolloutTaskContext,
  message: TaskMessage,
  task: RolloutTask | undefined,
  reason: string,
  provenance: Provenance,
): Promise<void> {
  if (task !== undefined) await publishGivenUp(context, message, task, reason, provenance);
  await message.term(reason);
  context.events.deadLettered(task?.taskId ?? '', reason);
}

/** The result of a task that nobody will work on any more: absent, with the reason. */
async function publishGivenUp(
  context: RolloutTaskContext,
  message: TaskMessage,
  task: RolloutTask,
  reason: string,
  provenance: Provenance,
): Promise<void> {
  if (task.runId === '' || task.taskId === '') return;
  const failure = new InfrastructureFailure(FailureClass.INTERNAL, reason, { retryable: false });
  await publish(context, message, failedResult(task, failure, provenance), new AbortController().signal);
}

/** For a task that failed too often, or that each worker that took it died with. */
export async function reportExhaustedTask(
  context: RolloutTaskContext,
  message: TaskMessage,
  reason: string,
): Promise<void> {
  const provenance = { workerId: context.workerId, durationMs: 0 };
  let task: RolloutTask | undefined;
  try {
    task = decodeTask(message.data);
  } catch {
    // It names nobody to notify; the dead letter keeps its bytes.
  }
  context.events.deadLettered(task?.taskId ?? '', reason);
  if (task !== undefined) await publishGivenUp(context, message, task, reason, provenance);
}
