import { FailureClass, type RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import type { FinishReason } from '#proto/trajectory/v1/trajectory_pb.ts';
import { failureWord, finishWord, purposeWord } from '#trajectory/enum-words.ts';
import { errorFrom, type GradusError } from '#platform/errors.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import { durationBuckets, type Metrics } from '#platform/telemetry/metrics.ts';
import { createBoundedLabel } from '#platform/telemetry/bounded-label.ts';
import type { ConcurrencyReason } from './worker/decide-concurrency.ts';
import type { InfrastructureClass, InfrastructureFailure } from './episode/infrastructure-failure.ts';

const failureName = (failure: FailureClass): string =>
  failure === FailureClass.UNSPECIFIED ? 'none' : failureWord(failure);

/** The only place of the worker that counts and logs: one function per business event. */
export function createRolloutEvents(log: Logger, metrics: Metrics) {
  const rollouts = metrics.counter(
    'gradus_rollouts_total',
    'Rollouts with a result, by purpose and failure class (none: an answer)',
    ['purpose', 'failure'],
  );
  const seconds = metrics.histogram(
    'gradus_rollout_seconds',
    'Duration of a rollout, from its delivery to its result',
    durationBuckets,
  );
  const inFlight = metrics.gauge('gradus_rollout_running_tasks', 'Tasks that this worker holds');
  const turns = metrics.counter('gradus_rollout_turns_total', 'Model turns by finish reason', ['finish']);
  const abandoned = metrics.counter(
    'gradus_rollout_abandoned_turns_total',
    'Turns that were stopped and left out of the rollout because the agent that asked for them had left',
  );
  const turnSeconds = metrics.histogram(
    'gradus_rollout_generation_seconds',
    'Duration of the generation of one turn, retries included',
    durationBuckets,
  );
  const environmentSeconds = metrics.histogram(
    'gradus_rollout_environment_seconds',
    'Time that the environment took to answer a turn, tool calls and retries included',
    durationBuckets,
  );
  const toolSeconds = metrics.histogram(
    'gradus_rollout_tool_seconds',
    'Time of a call of a tool of the kit, by its name; the first 32 names of a worker, later ones together as other',
    durationBuckets,
    ['tool'],
  );
  const toolLabel = createBoundedLabel(32);
  const tokens = metrics.counter(
    'gradus_rollout_tokens_total',
    'Tokens of finished rollouts by kind: prompt, model, environment',
    ['kind'],
  );
  const toolCalls = metrics.counter('gradus_rollout_tool_calls_total', 'Tool calls of finished rollouts by outcome', [
    'outcome',
  ]);
  const retried = metrics.counter('gradus_rollout_call_retries_total', 'Calls repeated in place, by what was failing', [
    'failure',
  ]);
  const handedBack = metrics.counter(
    'gradus_rollout_handed_back_total',
    'Tasks given back to the queue, by reason: a failure class or drain',
    ['reason'],
  );
  const cancelled = metrics.counter(
    'gradus_rollouts_cancelled_total',
    'Rollouts stopped because nobody waits for them any more, by purpose',
    ['purpose'],
  );
  const deadLetters = metrics.counter('gradus_rollout_dead_letters_total', 'Tasks that can never be worked on');
  const mismatches = metrics.counter(
    'gradus_token_mismatches_total',
    'Turns whose segments are not the sequence that the engine saw',
  );
  const unconfirmed = metrics.counter(
    'gradus_rollout_unconfirmed_acks_total',
    'Acks that the server did not confirm; the task may come again',
  );
  const statusFailures = metrics.counter(
    'gradus_rollout_status_failures_total',
    'Times that this worker could not say how it is',
  );

  const limit = metrics.gauge('gradus_rollout_concurrency_limit_tasks', 'Tasks that this worker holds at most now');
  const limitChanges = metrics.counter(
    'gradus_rollout_concurrency_changes_total',
    'Changes of that limit, by reason: room, queue, kv_full, preemption, refused',
    ['reason'],
  );

  return {
    concurrencyStarts(tasks: number): void {
      limit.set(tasks);
    },
    concurrencyChanged(tasks: number, reason: ConcurrencyReason): void {
      limit.set(tasks);
      limitChanges.inc({ reason });
      log.debug({ limit: tasks, reason }, 'the engines ask for another number of rollouts');
    },
    gatewayDown(address: string, error: Error): void {
      log.warn({ gateway: address, err: error }, 'a policy gateway does not answer; its sessions move');
    },
    gatewaysUnresolved(name: string, error: Error): void {
      log.warn({ name, err: error }, 'a name of policy gateways cannot be resolved; those known stay');
    },
    sessionsUnannounced(error: Error): void {
      log.warn({ err: error }, 'a gateway could not be told where sessions of agents are played; it is told again');
    },
    tasksHeld(count: number): void {
      inFlight.set(count);
    },
    turnEnded(finishReason: FinishReason, count: number, elapsedMs: number): void {
      turns.inc({ finish: finishWord(finishReason) });
      turnSeconds.observe(elapsedMs / 1000);
      log.trace({ finishReason, tokens: count }, 'a turn ended');
    },
    environmentStepped: (elapsedMs: number): void => environmentSeconds.observe(elapsedMs / 1000),
    toolEnded: (tool: string, elapsedMs: number): void =>
      toolSeconds.observe({ tool: toolLabel(tool) }, elapsedMs / 1000),
    turnAbandoned(taskId: string, turn: number): void {
      abandoned.inc();
      log.info(
        { taskId, turn },
        'an agent left before its turn was written; the turn is stopped and nothing of it is recorded',
      );
    },
    callRetried(failure: InfrastructureClass, error: GradusError): void {
      retried.inc({ failure: failureName(failure) });
      log.debug({ failure: failureName(failure), code: error.code, reason: error.message }, 'a call is repeated');
    },
    tokensDiffer(taskId: string, turn: number): void {
      mismatches.inc();
      log.error({ taskId, turn }, 'the segments are not the sequence that the engine saw');
    },
    resultPublished(result: RolloutResult, duplicate: boolean): void {
      rollouts.inc({ purpose: purposeWord(result.purpose), failure: failureName(result.failure) });
      seconds.observe(result.durationMs / 1000);
      tokens.inc({ kind: 'prompt' }, result.promptTokens);
      tokens.inc({ kind: 'model' }, result.modelTokens);
      tokens.inc({ kind: 'environment' }, result.environmentTokens);
      toolCalls.inc({ outcome: 'ok' }, result.toolCalls - result.toolFailures);
      toolCalls.inc({ outcome: 'failed' }, result.toolFailures);
      log.debug(
        { taskId: result.taskId, failure: failureName(result.failure), components: result.components, duplicate },
        'a rollout has its result',
      );
    },
    taskHandedBack(task: RolloutTask, failure: InfrastructureFailure, delayMs: number): void {
      handedBack.inc({ reason: failureName(failure.failure) });
      log.warn(
        { taskId: task.taskId, failure: failureName(failure.failure), delayMs, err: failure },
        'a task goes back to the queue',
      );
    },
    taskCancelled(task: RolloutTask, reason: string): void {
      cancelled.inc({ purpose: purposeWord(task.purpose) });
      log.debug({ taskId: task.taskId, reason }, 'a rollout is stopped because nobody waits for it');
    },
    taskDrained(taskId: string): void {
      handedBack.inc({ reason: 'drain' });
      log.info({ taskId }, 'a task goes back to the queue because this worker stops');
    },
    deadLettered(taskId: string, reason: string): void {
      deadLetters.inc();
      log.error({ taskId, reason }, 'a task can never be worked on; it is a dead letter now');
    },
    ackUnconfirmed(taskId: string, thrown: unknown): void {
      unconfirmed.inc();
      log.warn({ taskId, err: errorFrom(thrown) }, 'the queue did not confirm; the task may be delivered again');
    },
    statusNotTold(thrown: unknown): void {
      statusFailures.inc();
      log.debug({ err: errorFrom(thrown) }, 'the status of this worker could not be reported');
    },
    handlerFailed(sequence: number, thrown: unknown): void {
      log.error({ sequence, err: errorFrom(thrown) }, 'a task could not be finished here; it will be delivered again');
    },
  };
}

export type RolloutEvents = ReturnType<typeof createRolloutEvents>;
