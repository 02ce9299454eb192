import { FailureClass, type RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { CancelledError, errorFrom } from '#shared/errors.ts';
import type { TaskMessage } from '#shared/nats/messages.ts';
import type { Environment } from '../environments/environment.ts';
import { InfrastructureFailure, infrastructureFailureFrom } from '../episode/infrastructure-failure.ts';
import { decodeTask, parseTask, type ParsedTask } from '../episode/parse-task.ts';
import { failedResult, finishedResult, trajectoryOf, type Provenance } from '../episode/rollout-result.ts';
import { runRollout, type RolloutPorts } from '../episode/run-rollout.ts';
import type { RolloutEvents } from '../events.ts';
import type { EnvironmentRegistry } from '../worker/environment-registry.ts';
import type { Outbox } from '../worker/outbox.ts';

export interface RolloutTaskContext {
  readonly workerId: string;
  readonly maxDeliveries: number;
  readonly redeliveryDelayMs: number;
  readonly environments: EnvironmentRegistry;
  readonly ports: RolloutPorts;
  readonly outbox: Outbox;
  readonly events: RolloutEvents;
}

const MAX_REDELIVERY_DELAY_MS = 30_000;

/**
 * Our own last pull request lies at the server for up to its heartbeat (1 s) after we stopped listening. A task that comes
 * back while it is the only one makes nats-server 2.9 skip that task until its lease ends (30 s), so it comes back later.
 */
const DRAIN_DELAY_MS = 1_500;

/**
 * One delivery of one task. Ends in exactly one of:
 *
 *   result published -> ack            the rollout ended, well or badly
 *   failure published -> ack           the platform failed, and this was the last delivery or it would fail everywhere
 *   nak with delay                     the platform failed here; another delivery follows
 *   nak                                this worker stops (`signal` aborted)
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
  let environment: Environment;
  try {
    task = decodeTask(message.data);
    parsed = parseTask(task);
    environment = context.environments.find(task.environment, task.environmentOptionsJson, parsed.environmentOptions);
  } catch (thrown) {
    await bury(context, message, task, errorFrom(thrown).message, provenance());
    return;
  }

  try {
    const finished = await runRollout(parsed, environment, context.ports, signal);
    // From here on nothing is cancelled by a drain: the work is done, only its record is missing.
    const published = new AbortController().signal;
    const sequence = await context.outbox.trajectory(
      parsed.task,
      message.redeliveries,
      trajectoryOf(parsed.task, finished.record),
      published,
    );
    await publish(context, finishedResult(parsed.task, finished, sequence, provenance()), published);
  } catch (thrown) {
    if (thrown instanceof CancelledError && signal.aborted) {
      context.events.taskDrained(parsed.task.taskId);
      await message.nak(DRAIN_DELAY_MS);
      return;
    }
    const failure =
      thrown instanceof InfrastructureFailure
        ? thrown
        : infrastructureFailureFrom(FailureClass.INTERNAL, 'unexpected', errorFrom(thrown));
    if (failure.retryable && message.redeliveries + 1 < context.maxDeliveries) {
      const delayMs = Math.min(MAX_REDELIVERY_DELAY_MS, context.redeliveryDelayMs * 2 ** message.redeliveries);
      context.events.taskHandedBack(parsed.task, failure, delayMs);
      await message.nak(delayMs);
      return;
    }
    await publish(context, failedResult(parsed.task, failure, provenance()), new AbortController().signal);
  }
  await confirm(context, parsed.task.taskId, message);
}

async function publish(context: RolloutTaskContext, result: RolloutResult, signal: AbortSignal): Promise<void> {
  const { duplicate } = await context.outbox.result(result, signal);
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

/** A task that must fail everywhere. Whoever asked for it is told, when it says who that is. */
async function bury(
  context: RolloutTaskContext,
  message: TaskMessage,
  task: RolloutTask | undefined,
  reason: string,
  provenance: Provenance,
): Promise<void> {
  if (task !== undefined) await publishGivenUp(context, task, reason, provenance);
  await message.term(reason);
  context.events.deadLettered(task?.taskId ?? '', reason);
}

/** The result of a task that nobody will work on any more: absent, with the reason. */
async function publishGivenUp(
  context: RolloutTaskContext,
  task: RolloutTask,
  reason: string,
  provenance: Provenance,
): Promise<void> {
  if (task.runId === '' || task.taskId === '') return;
  const failure = new InfrastructureFailure(FailureClass.INTERNAL, reason, { retryable: false });
  await publish(context, failedResult(task, failure, provenance), new AbortController().signal);
}

/** For a task that was handed out too often without an end: each worker that took it died, or was cut off. */
export async function reportExhaustedTask(context: RolloutTaskContext, message: TaskMessage): Promise<void> {
  const reason = `handed out ${context.maxDeliveries} times, and no worker came back with a result`;
  const provenance = { workerId: context.workerId, durationMs: 0 };
  context.events.deadLettered('', reason);
  let task: RolloutTask;
  try {
    task = decodeTask(message.data);
  } catch {
    return; // It names nobody to tell; the dead letter keeps its bytes.
  }
  await publishGivenUp(context, task, reason, provenance);
}
