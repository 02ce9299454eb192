import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GenerateRequestSchema, GenerateResponse } from '#proto/policy/v1/policy_pb.ts';
import type { Turn } from '#proto/reward/v1/reward_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { FinishReason, SamplingSchema, type Segment, type VersionSpan } from '#proto/trajectory/v1/trajectory_pb.ts';
import { deadlineSignal } from '#shared/async/deadline-signal.ts';
import { TransientError, errorFrom } from '#shared/errors.ts';
import { environmentSegment, modelSegment, promptSegment } from '#shared/trajectory/segments.ts';
import { createSequenceHasher, digestsEqual } from '#shared/trajectory/sequence-digest.ts';
import type { Environment, Episode } from '../environments/environment.ts';
import {
  InfrastructureFailure,
  infrastructureFailureFrom,
  type InfrastructureClass,
} from './infrastructure-failure.ts';
import type { ParsedTask } from './parse-task.ts';
import { retryInPlace, type RetryBudget } from './retry-in-place.ts';
import type { TokenSource } from './token-source.ts';
import { turnSeed } from './turn-seed.ts';
import { overdueAfter, type RolloutWaits } from './rollout-waits.ts';

export interface EpisodePorts {
  generate(
    request: MessageInitShape<typeof GenerateRequestSchema>,
    options: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<GenerateResponse>;
  readonly tokens: TokenSource;
  readonly retries: RetryBudget;
  readonly waits: RolloutWaits;
  readonly events: {
    turnEnded(finishReason: FinishReason, tokens: number, elapsedMs: number): void;
    callRetried(failure: InfrastructureClass, error: TransientError): void;
    tokensDiffer(taskId: string, turn: number): void;
  };
}

/** A finished episode: what the policy saw and wrote, and how it ended. */
export interface EpisodeRecord {
  readonly segments: readonly Segment[];
  /** SHA-256 of the sequence; equal to the engine's on its last turn. */
  readonly sequenceDigest: Uint8Array;
  readonly tokenizerHash: string;
  readonly turns: readonly Turn[];
  readonly modelTurns: number;
  /** Time that engines worked on the turns. */
  readonly generateMs: number;
  readonly prediction: string | undefined;
  /** A data class: behaviour of the policy. UNSPECIFIED when it ended with an answer. */
  readonly failure: FailureClass;
  /** The last turn was cut by a token limit. */
  readonly truncated: boolean;
}

/**
 * Plays one episode to its end:
 *
 *   prompt -> [generate -> environment step -> environment text]* -> done
 *
 * Everything that enters the sequence is tokenised once, when it is appended; the engine's digest of the whole sequence is
 * compared with ours on every turn. Throws InfrastructureFailure when the platform failed, CancelledError when `signal` aborted.
 */
export async function runEpisode(
  parsed: ParsedTask,
  environment: Environment,
  ports: EpisodePorts,
  signal: AbortSignal,
): Promise<EpisodeRecord> {
  const { task, question, limits } = parsed;
  const episode = environment.start(question);
  const recorder = createRecorder(limits.contextTokens);
  let generateMs = 0;
  const end = (
    failure: FailureClass,
    ending: { prediction?: string | undefined; truncated: boolean },
  ): EpisodeRecord => ({
    segments: recorder.segments,
    sequenceDigest: recorder.digest(),
    tokenizerHash: recorder.tokenizerHash(),
    turns: episode.turns(),
    modelTurns: recorder.modelTurns(),
    generateMs,
    prediction: ending.prediction,
    failure,
    truncated: ending.truncated,
  });

  const expectedMs = overdueAfter(limits.turnTimeoutMs);
  const tokenizing = { what: 'policy.tokenize', subject: task.taskId, expectedMs } as const;
  const prompt = await call(
    ports,
    { failure: FailureClass.POLICY_UNAVAILABLE, what: 'tokenising the prompt', wait: tokenizing },
    signal,
    () => ports.tokens.tokenize(episode.prompt(), signal),
  );
  recorder.begin(episode.prompt(), prompt.tokenIds, prompt.tokenizerHash);
  if (recorder.roomTokens() <= 0) return end(FailureClass.CONTEXT_OVERFLOW, { truncated: false });

  for (let turn = 0; ; turn += 1) {
    using deadline = deadlineSignal(signal, limits.turnTimeoutMs, `turn ${turn} of task ${task.taskId}`);
    const response = await generateTurn(parsed, environment, ports, recorder, turn, deadline.signal);
    generateMs += response.generateMs;
    const truncated = response.finishReason === FinishReason.LENGTH || response.finishReason === FinishReason.CONTEXT;
    const outcome = await call(
      ports,
      {
        failure: FailureClass.RETRIEVAL_UNAVAILABLE,
        what: `the tool of turn ${turn}`,
        // A second try has begun by then.
        wait: { what: 'tool', subject: task.taskId, detail: `turn ${turn}`, expectedMs: limits.toolTimeoutMs },
      },
      deadline.signal,
      () => stepEpisode(episode, response, deadline.signal, limits.toolTimeoutMs),
    );
    if (outcome.kind === 'done')
      return end(outcome.failure ?? FailureClass.UNSPECIFIED, { prediction: outcome.prediction, truncated });
    if (response.finishReason === FinishReason.CONTEXT) return end(FailureClass.CONTEXT_OVERFLOW, { truncated });
    if (turn + 1 >= limits.maxTurns) return end(FailureClass.TURN_LIMIT, { truncated });

    const { environmentText } = outcome;
    const appended = await call(
      ports,
      {
        failure: FailureClass.POLICY_UNAVAILABLE,
        what: `tokenising the result of turn ${turn}`,
        wait: { ...tokenizing, detail: `turn ${turn}` },
      },
      deadline.signal,
      () => ports.tokens.tokenize(environmentText, deadline.signal),
    );
    // What leaves no room for an answer is not appended: the policy never saw it.
    if (appended.tokenIds.length >= recorder.roomTokens()) return end(FailureClass.CONTEXT_OVERFLOW, { truncated });
    recorder.appendEnvironment(environmentText, appended.tokenIds);
  }
}

async function stepEpisode(episode: Episode, response: GenerateResponse, signal: AbortSignal, toolTimeoutMs: number) {
  return await episode.step({ text: response.text, finishReason: response.finishReason }, { signal, toolTimeoutMs });
}

async function generateTurn(
  { task, sampling, limits }: ParsedTask,
  environment: Environment,
  ports: EpisodePorts,
  recorder: Recorder,
  turn: number,
  signal: AbortSignal,
): Promise<GenerateResponse> {
  const startedAt = performance.now();
  const turnSampling = create(SamplingSchema, {
    ...sampling,
    seed: turnSeed(sampling.seed, turn),
    stop: sampling.stop.length > 0 ? sampling.stop : [...environment.stop],
  });
  const attempt: Attempt = {
    failure: FailureClass.POLICY_UNAVAILABLE,
    what: `generating turn ${turn}`,
    wait: {
      what: 'policy.generate',
      subject: task.taskId,
      detail: `turn ${turn}`,
      expectedMs: overdueAfter(limits.turnTimeoutMs),
    },
  };
  const response = await call(ports, attempt, signal, async () => {
    const answer = await ports.generate(
      {
        requestId: `${task.taskId}:${task.attempt}:${turn}`,
        sessionId: task.taskId,
        tokenIds: [...recorder.tokenIds],
        sampling: turnSampling,
        contextTokens: limits.contextTokens,
        priority: task.purpose === Purpose.EVAL ? 1 : 0,
        minVersion: task.policyVersion,
      },
      { signal, timeoutMs: limits.turnTimeoutMs },
    );
    if (answer.finishReason === FinishReason.ABORTED)
      throw new TransientError('aborted', 'the engine aborted the turn');
    return answer;
  });
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

/** An engine that breaks the contract is a fault of the platform, never of the policy. */
function checkResponse(response: GenerateResponse, roomTokens: number, turn: number): VersionSpan {
  const fail = (problem: string): never => {
    throw new InfrastructureFailure(FailureClass.INTERNAL, `turn ${turn}: the engine ${problem}`);
  };
  if (response.logprobs.length !== response.tokenIds.length)
    fail(`gave ${response.logprobs.length} logprobs for ${response.tokenIds.length} tokens`);
  if (response.tokenIds.length > roomTokens)
    fail(`gave ${response.tokenIds.length} tokens where ${roomTokens} had room`);
  if (response.finishReason === FinishReason.UNSPECIFIED) fail('gave no finish reason');
  return response.versions ?? fail('did not say which policy version wrote');
}

interface Attempt {
  readonly failure: InfrastructureClass;
  readonly what: string;
  readonly wait: Parameters<RolloutWaits['during']>[0];
}

/** Runs one remote call with the budget for retries in place; what still fails is named by its class. */
async function call<T>(
  { retries, events, waits }: EpisodePorts,
  { failure, what, wait }: Attempt,
  signal: AbortSignal,
  fn: () => Promise<T>,
): Promise<T> {
  try {
    return await waits.during(wait, () =>
      retryInPlace(fn, retries, signal, (error) => events.callRetried(failure, error)),
    );
  } catch (thrown) {
    if (thrown instanceof InfrastructureFailure) throw thrown;
    throw infrastructureFailureFrom(failure, what, errorFrom(thrown));
  }
}

type Recorder = ReturnType<typeof createRecorder>;

/** The sequence so far, its segments and its running digest: one place appends, so they cannot disagree. */
function createRecorder(contextTokens: number) {
  const segments: Segment[] = [];
  const tokenIds: number[] = [];
  const hasher = createSequenceHasher();
  let tokenizerHash = '';
  let modelTurns = 0;

  function append(segment: Segment): void {
    segments.push(segment);
    for (const id of segment.tokenIds) tokenIds.push(id);
    hasher.append(segment.tokenIds);
  }

  return {
    segments: segments as readonly Segment[],
    tokenIds: tokenIds as readonly number[],
    digest: () => hasher.digest(),
    tokenizerHash: () => tokenizerHash,
    modelTurns: () => modelTurns,
    /** Tokens that may still be added. */
    roomTokens: () => contextTokens - tokenIds.length,
    begin(text: string, ids: readonly number[], hash: string): void {
      tokenizerHash = hash;
      append(promptSegment(text, ids));
    },
    appendModel(turn: Parameters<typeof modelSegment>[0]): void {
      modelTurns += 1;
      append(modelSegment(turn));
    },
    appendEnvironment(text: string, ids: readonly number[]): void {
      if (ids.length > 0) append(environmentSegment(text, ids));
    },
  };
}
