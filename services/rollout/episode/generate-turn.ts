import { create } from '@bufbuild/protobuf';
import type { GenerateResponse } from '#proto/policy/v1/policy_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { FinishReason, LogprobKind, SamplingSchema, type VersionSpan } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { Environment, TurnListener } from '#environments/kit/environment.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { type Generated, withGeneration } from '#platform/telemetry/gen-ai.ts';
import { badLogprob } from '#trajectory/segments.ts';
import { finishWord } from '#trajectory/enum-words.ts';
import { digestsEqual } from '#trajectory/sequence-digest.ts';
import { type EpisodePorts, overdueAfter } from './episode-ports.ts';
import { InfrastructureFailure } from './infrastructure-failure.ts';
import type { ParsedTask } from './parse-task.ts';
import { type RemoteCall, callRemote } from './remote-call.ts';
import type { SequenceRecorder } from './sequence-recorder.ts';
import { turnFormToProto } from './turn-form.ts';

/**
 * One turn of the policy, appended to the sequence, which has to be the engine's own afterwards (P4). Undefined where the listener was gone before the
 * turn was whole, or no engine takes the form that it wants: the engine stops, and nothing is appended.
 */
export async function generateTurn(
  { task, sampling, limits }: Pick<ParsedTask, 'task' | 'sampling' | 'limits'>,
  environment: Pick<Environment, 'stop'>,
  ports: EpisodePorts,
  recorder: SequenceRecorder,
  turn: number,
  deadline: AbortSignal,
  listener?: TurnListener,
): Promise<GenerateResponse | undefined> {
  const signal = listener === undefined ? deadline : AbortSignal.any([deadline, listener.gone]);
  const isAbandoned = (): boolean => listener?.gone.aborted === true && !deadline.aborted;
  const startedAt = performance.now();
  const turnSampling = create(SamplingSchema, {
    ...sampling,
    seed: turnSeed(sampling.seed, turn),
    stop: sampling.stop.length > 0 ? sampling.stop : [...environment.stop],
  });
  const attempt: RemoteCall = {
    failure: FailureClass.POLICY_UNAVAILABLE,
    what: `generating turn ${turn}`,
    refusals: ['permission_denied'],
    wait: {
      what: 'policy.generate',
      subject: task.taskId,
      detail: `turn ${turn}`,
      expectedMs: overdueAfter(limits.turnTimeoutMs),
    },
  };
  const form = listener?.form;
  let refused = false;
  const response = await callRemote(ports, attempt, signal, async () => {
    const answer = await withGeneration(
      { ...turnSampling, inputTokens: recorder.tokenIds.length, maxTokens: turnSampling.maxNewTokens },
      () =>
        ports.generate(
          {
            requestId: `${task.taskId}:${task.attempt}:${turn}`,
            // A session is one sequence, which engines may keep.
            sessionId: recorder.role === '' ? task.taskId : `${task.taskId}:${recorder.role}`,
            tokenIds: [...recorder.tokenIds],
            sampling: turnSampling,
            contextTokens: limits.contextTokens,
            priority: task.purpose === Purpose.EVAL ? 1 : 0,
            minVersion: task.policyVersion,
            trained: task.purpose === Purpose.TRAIN,
            ...(form !== undefined && { form: turnFormToProto(form) }),
          },
          { signal, timeoutMs: limits.turnTimeoutMs },
        ),
      generatedOf,
    ).catch((thrown: unknown) => {
      const { code, details, message } = errorFrom(thrown);
      const isForm = form !== undefined && (code === 'unimplemented' || code === 'invalid_argument');
      if (!isForm || details['field']?.toString().startsWith('form') === false) throw thrown;
      refused = true;
      // What stands in front of the field says where in here it came from.
      listener?.refused?.(message.slice(Math.max(0, message.search(/\bform[.: ]/))));
      return undefined;
    });
    if (answer === undefined) return undefined;
    if (answer.finishReason === FinishReason.ABORTED)
      throw new TransientError('aborted', 'the engine aborted the turn');
    return answer;
  }).catch((thrown: unknown) => {
    if (isAbandoned()) return undefined;
    throw thrown;
  });
  // Nothing is awaited from here to the step: a turn that is appended is one that the step gets.
  if (refused) return undefined;
  if (response === undefined || isAbandoned()) {
    ports.events.turnAbandoned(task.taskId, turn);
    return undefined;
  }
  const versions = checkResponse(response, recorder.roomTokens(), turn);
  recorder.appendModel({ ...response, versions, sampling: turnSampling });
  if (!digestsEqual(recorder.digest(), response.sequenceDigest)) {
    ports.events.tokensDiffer(task.taskId, turn);
    throw new InfrastructureFailure(
      FailureClass.INTERNAL,
      `turn ${turn}: the engine's sequence is not the concatenation of the segments (${recorder.tokenIds.length} tokens); nothing of this rollout is used`,
    );
  }
  ports.events.turnEnded(response.finishReason, response.tokenIds.length, performance.now() - startedAt);
  return response;
}

function generatedOf({ tokenIds, finishReason, versions }: GenerateResponse): Generated {
  return {
    outputTokens: tokenIds.length,
    finishReason: finishWord(finishReason),
    model: `policy@${versions?.last ?? ''}`,
  };
}

/** An engine that breaks the contract is a fault of the platform, never of the policy. */
function checkResponse(response: GenerateResponse, roomTokens: number, turn: number): VersionSpan {
  const fail = (problem: string): never => {
    throw new InfrastructureFailure(FailureClass.INTERNAL, `turn ${turn}: the engine ${problem}`);
  };
  const logprobs = response.logprobKind === LogprobKind.ABSENT ? 0 : response.tokenIds.length;
  if (response.logprobs.length !== logprobs)
    fail(`gave ${response.logprobs.length} logprobs for ${response.tokenIds.length} tokens`);
  const bad = badLogprob(response.logprobs);
  if (bad !== -1) fail(`gave ${response.logprobs[bad]} as the log-probability of token ${bad}`);
  if (response.tokenIds.length > roomTokens)
    fail(`gave ${response.tokenIds.length} tokens where ${roomTokens} had room`);
  if (response.finishReason === FinishReason.UNSPECIFIED) fail('gave no finish reason');
  return response.versions ?? fail('did not say which policy version wrote');
}

const MASK = (1n << 64n) - 1n;

/** SplitMix64's finaliser: every bit of the input changes about half of the output's bits. */
function mix(value: bigint): bigint {
  let z = value & MASK;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
}

/** Seed of turn `turn` (from 0) of a rollout: the same whenever and wherever the rollout runs. uint64. */
export function turnSeed(rolloutSeed: bigint, turn: number): bigint {
  return mix(mix(rolloutSeed) + BigInt(turn + 1) * 0x9e3779b97f4a7c15n);
}
