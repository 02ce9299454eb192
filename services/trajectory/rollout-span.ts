import type { Attributes } from '@opentelemetry/api';
import { FailureClass, type RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { Purpose, type RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { failureWord, purposeWord } from './enum-words.ts';
import { spanIdsOf, type SpanIds } from '#platform/telemetry/tracing.ts';

/** The span in which a rollout's task is published first: the root of its trace, whatever the attempt (P7). */
export function rolloutSpan(runId: string, taskId: string): SpanIds {
  return spanIdsOf('rollout', runId, taskId);
}

/** What spans of a rollout say of its task. */
export function taskAttributes(
  task: Partial<Pick<RolloutTask, 'runId' | 'taskId' | 'groupId' | 'stage' | 'environment' | 'purpose' | 'attempt'>>,
): Attributes {
  return {
    'gradus.run': task.runId,
    'gradus.rollout': task.taskId,
    'gradus.group': task.groupId,
    'gradus.stage': task.stage,
    'gradus.environment': task.environment,
    'gradus.purpose': purposeWord(task.purpose ?? Purpose.UNSPECIFIED),
    'gradus.attempt': task.attempt ?? 0,
  };
}

/** What the span of a rollout says of how it ended. */
export function resultAttributes(result: RolloutResult): Attributes {
  const components = Object.entries(result.components).map(([name, value]) => [`gradus.component.${name}`, value]);
  return {
    'gradus.turns': result.turns,
    'gradus.tool_calls': result.toolCalls,
    'gradus.tokens.prompt': result.promptTokens,
    'gradus.tokens.model': result.modelTokens,
    'gradus.tokens.environment': result.environmentTokens,
    ...Object.fromEntries(components),
    ...(result.failure !== FailureClass.UNSPECIFIED && {
      'gradus.failure': failureWord(result.failure),
      'gradus.failure_detail': result.failureDetail,
    }),
  };
}
