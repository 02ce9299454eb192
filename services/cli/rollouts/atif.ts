import type { Turn } from '#proto/reward/v1/reward_pb.ts';
import { SegmentKind, type Segment } from '#proto/trajectory/v1/trajectory_pb.ts';
import { parseJsonAt } from '#platform/files/parse-json.ts';
import { unpackScore } from '#trajectory/recorded-score.ts';
import type { ReadRollout } from './read-selected.ts';
import { rolloutJson } from './rollout-json.ts';

const version = 'ATIF-v1.8';

/**
 * A rollout in the Agent Trajectory Interchange Format of Harbor (https://harborframework.com/docs/trajectory-format): the prompt is a step of the user, each
 * turn of the policy one of the agent, and what the environment answered the observation of that turn. Undefined for one without a trajectory.
 */
export function atifOf(rollout: ReadRollout, gradusVersion: string): Readonly<Record<string, unknown>> | undefined {
  const { recorded, result } = rollout;
  if (recorded === undefined) return undefined;
  const { trajectory } = recorded;
  const turns = unpackScore(trajectory)?.item.turns ?? [];
  const steps = stepsOf(trajectory.segments, turns);
  return {
    schema_version: version,
    session_id: result.taskId,
    agent: {
      name: `gradus/${recorded.task.environment}`,
      version: gradusVersion,
      model_name: modelName(trajectory.segments),
    },
    steps: steps.map((step, index) => ({ step_id: index + 1, ...step })),
    final_metrics: {
      total_prompt_tokens: result.promptTokens + result.environmentTokens,
      total_completion_tokens: result.modelTokens,
      total_steps: steps.length,
    },
    extra: { gradus: rolloutJson(rollout) },
  };
}

interface Step {
  readonly source: 'user' | 'agent';
  readonly message: string;
  readonly [more: string]: unknown;
}

function stepsOf(segments: readonly Segment[], turns: readonly Turn[]): Step[] {
  const steps: Step[] = [];
  // A role reads its own sequence only.
  const sequences = new Map<string, number[]>();
  let written = 0;
  for (const [index, segment] of segments.entries()) {
    const sequence = sequences.get(segment.role) ?? [];
    sequences.set(segment.role, sequence);
    if (segment.kind === SegmentKind.MODEL) {
      const next = segments[index + 1];
      steps.push(
        agentStep(segment, turns[written], next?.kind === SegmentKind.ENVIRONMENT ? next : undefined, sequence),
      );
      written += 1;
    }
    if (segment.kind === SegmentKind.PROMPT) steps.push({ source: 'user', message: segment.text });
    sequence.push(...segment.tokenIds);
  }
  return steps;
}

function agentStep(
  segment: Segment,
  turn: Turn | undefined,
  answered: Segment | undefined,
  before: readonly number[],
): Step {
  const call = turn?.action.case === 'toolCall' ? turn.action.value : undefined;
  const id = 'call';
  return {
    source: 'agent',
    message: segment.text,
    ...(call !== undefined && {
      tool_calls: [{ tool_call_id: id, function_name: call.name, arguments: argumentsOf(call.argumentsJson) }],
    }),
    ...(answered !== undefined && {
      observation: { results: [{ ...(call !== undefined && { source_call_id: id }), content: answered.text }] },
    }),
    metrics: {
      prompt_tokens: before.length,
      completion_tokens: segment.tokenIds.length,
      prompt_token_ids: [...before],
      completion_token_ids: segment.tokenIds,
      ...(segment.logprobs.length > 0 && { logprobs: segment.logprobs }),
    },
  };
}

function argumentsOf(json: string): object {
  const value = json === '' ? {} : parseJsonAt(json, 'arguments_json');
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { value };
}

function modelName(segments: readonly Segment[]): string {
  const last = segments.findLast(({ kind }) => kind === SegmentKind.MODEL)?.versions?.last;
  return `policy@${last ?? ''}`;
}
