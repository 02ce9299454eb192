import type { Turn } from '#proto/reward/v1/reward_pb.ts';
import type { Environment, Episode } from '#environments/kit/environment.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { FinishReason, type Segment } from '#proto/trajectory/v1/trajectory_pb.ts';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { untilCancelled } from '#platform/async/sleep.ts';
import { errorFrom, type ErrorCode } from '#platform/errors.ts';
import { infrastructureFailureFrom } from './infrastructure-failure.ts';
import { type EpisodePorts, overdueAfter } from './episode-ports.ts';
import { afterTurn, followingOf, forkedFrom, outside, thinks } from './following.ts';
import { generateTurn } from './generate-turn.ts';
import type { ParsedTask } from './parse-task.ts';
import { callRemote } from './remote-call.ts';
import { createEpisodeSequences, type EpisodeSequences } from './episode-sequences.ts';
import { stepEpisode, turnOfResponse } from './step-episode.ts';
import { failureClassOf, turnOf } from './turn-record.ts';
import { ofEnvironment, userCodeFailureOf } from './user-code-failure.ts';
import { checkOutcome, givenRewards, nextRole, type DoneOutcome, type EnvironmentInPlay } from './check-outcome.ts';

/** A finished episode: what the policy saw and wrote, and how it ended. */
export interface EpisodeRecord {
  readonly segments: readonly Segment[];
  /** SHA-256 of the sequence; equal to the engine's on its last turn. Empty where roles have one each. */
  readonly sequenceDigest: Uint8Array;
  /** Roles that have spoken; empty where the environment has none. */
  readonly roles: readonly RoleRecord[];
  readonly tokenizerHash: string;
  readonly turns: readonly Turn[];
  readonly modelTurns: number;
  /** Time that engines worked on the turns. */
  readonly generateMs: number;
  readonly prediction: string | undefined;
  /** A data class: behaviour of the policy. UNSPECIFIED when it ended with an answer. */
  readonly failure: FailureClass;
  /** A token limit ended it: it cut the last turn, or the prompt or a tool's text left no room for one. */
  readonly truncated: boolean;
  /** Components that the environment gives itself, 0..1. */
  readonly rewards: Readonly<Record<string, number>>;
  /** Numbers of the environment that nothing is scored by. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** What one role did in an episode. */
export interface RoleRecord {
  readonly role: string;
  /** As the episode's, of the role's own sequence. */
  readonly sequenceDigest: Uint8Array;
  readonly turns: number;
  /** As the episode's, of the role's own sequence. */
  readonly truncated: boolean;
}

/**
 * Plays one episode to its end:
 *
 *   prompt -> [generate -> environment step -> environment text]* -> done
 *
 * Everything that enters the sequence is tokenised once, when it is appended; the engine's digest of the whole sequence is
 * compared with ours on every turn. Each role has a sequence of its own. Throws InfrastructureFailure when the platform failed, CancelledError when `signal` aborted.
 */
export async function runEpisode(
  parsed: ParsedTask,
  played: EnvironmentInPlay,
  ports: EpisodePorts,
  signal: AbortSignal,
): Promise<EpisodeRecord> {
  const { task, limits } = parsed;
  const episode = await startEpisode(parsed, played.environment, ports, signal);
  const close = async (): Promise<void> => {
    if (episode.close === undefined) return;
    using deadline = deadlineSignal(undefined, limits.toolTimeoutMs, `closing the episode of task ${task.taskId}`);
    await untilCancelled(
      ofEnvironment(task.environment, 'close', () => episode.close?.()),
      deadline.signal,
    );
  };
  let record: EpisodeRecord;
  try {
    record = await playEpisode(parsed, played, episode, ports, signal);
  } catch (thrown) {
    // What went wrong first is what is reported.
    await close().catch(() => {});
    throw thrown;
  }
  try {
    await close();
  } catch (thrown) {
    throw (
      userCodeFailureOf(thrown) ??
      infrastructureFailureFrom(FailureClass.TOOL_UNAVAILABLE, 'closing the episode', errorFrom(thrown))
    );
  }
  return record;
}

async function startEpisode(
  { task, row, sampling, limits, delivery }: ParsedTask,
  environment: Environment,
  ports: EpisodePorts,
  signal: AbortSignal,
): Promise<Episode> {
  const { toolTimeoutMs, turnTimeoutMs } = limits;
  using deadline = deadlineSignal(signal, turnTimeoutMs, `the start of task ${task.taskId}`);
  const trained = task.purpose === Purpose.TRAIN;
  const rollout = { id: task.taskId, attempt: delivery, timeoutMs: limits.rolloutTimeoutMs, trained };
  const { seed, maxNewTokens } = sampling;
  const io = { signal: deadline.signal, seed, toolTimeoutMs, maxNewTokens, rollout };
  return await callRemote(
    ports,
    {
      failure: FailureClass.TOOL_UNAVAILABLE,
      what: 'starting the episode',
      wait: { what: 'tool', subject: task.taskId, detail: 'start', expectedMs: toolTimeoutMs },
    },
    deadline.signal,
    () =>
      untilCancelled(
        ofEnvironment(task.environment, 'start', () => environment.start(row, io)),
        deadline.signal,
      ),
  );
}

async function playEpisode(
  parsed: ParsedTask,
  played: EnvironmentInPlay,
  episode: Episode,
  ports: EpisodePorts,
  signal: AbortSignal,
): Promise<EpisodeRecord> {
  const { task, limits } = parsed;
  const sequences = createEpisodeSequences(limits.contextTokens);
  const turns: Turn[] = [];
  let generateMs = 0;
  const end = (
    failure: FailureClass,
    ending: { prediction?: string | undefined; truncated: boolean; outcome?: DoneOutcome },
  ): EpisodeRecord => ({
    ...recordOf(sequences),
    tokenizerHash: promptTokens.tokenizerHash,
    turns,
    generateMs,
    prediction: ending.prediction,
    failure,
    truncated: ending.truncated,
    rewards: givenRewards(played, ending.outcome),
    metrics: ending.outcome?.metrics ?? episode.metrics?.() ?? {},
  });

  const expectedMs = overdueAfter(limits.turnTimeoutMs);
  const tokenizing = { what: 'policy.tokenize', subject: task.taskId, expectedMs } as const;
  const prompt = await ofEnvironment(task.environment, 'prompt', () => episode.prompt());
  const promptTokens = await callRemote(
    ports,
    {
      failure: FailureClass.POLICY_UNAVAILABLE,
      what: 'tokenising the prompt',
      refusals: refusalsOf(played),
      wait: tokenizing,
    },
    signal,
    () => ports.tokens.tokenize(played.environment.outsideText ? outside(prompt) : prompt, signal),
  );
  /** In front of what was read for the turn that is written next. */
  let mark = sequences.mark();
  let speaker = sequences.begin(played.definition.roles[0] ?? '', thinks(prompt), promptTokens);
  if (speaker.recorder.roomTokens() <= 0) return end(FailureClass.CONTEXT_OVERFLOW, { truncated: true });

  // `asked` counts turns that nobody waited for as well: an agent that asks and leaves without end meets its limit.
  for (let turn = 0, asked = 1; ; asked += 1) {
    using deadline = deadlineSignal(signal, limits.turnTimeoutMs, `turn ${turn} of task ${task.taskId}`);
    const response = await generateTurn(
      parsed,
      played.environment,
      ports,
      speaker.recorder,
      turn,
      deadline.signal,
      episode.listener?.(),
    );
    generateMs += response?.generateMs ?? 0;
    const modelTurn = response === undefined ? undefined : turnOfResponse(response, turn, speaker);
    const truncated = modelTurn?.cutBy !== undefined;
    if (modelTurn !== undefined) speaker.truncated = truncated;
    const steppedFromMs = performance.now();
    const outcome = await callRemote(
      ports,
      {
        failure: FailureClass.TOOL_UNAVAILABLE,
        what: `the tool of turn ${turn}`,
        // A second try has begun by then.
        wait: { what: 'tool', subject: task.taskId, detail: `turn ${turn}`, expectedMs: limits.toolTimeoutMs },
      },
      deadline.signal,
      () =>
        stepEpisode(task.environment, episode, modelTurn, {
          signal: deadline.signal,
          toolTimeoutMs: limits.toolTimeoutMs,
          toolEnded: ports.events.toolEnded,
        }),
    );
    ports.events.environmentStepped(performance.now() - steppedFromMs);
    checkOutcome(played, outcome);
    const goesOn = outcome.kind === 'continue' && asked < limits.maxTurns;
    if (modelTurn !== undefined) {
      turns.push(turnOf(modelTurn, outcome));
      turn += 1;
    } else if (goesOn || mark.segments > 0) {
      // A rollout that has ended has a prompt, whatever became of its turns.
      sequences.restore(mark);
    }
    if (outcome.kind === 'done')
      return end(failureClassOf(outcome.failure), { prediction: outcome.prediction, truncated, outcome });
    if (response?.finishReason === FinishReason.CONTEXT) return end(FailureClass.CONTEXT_OVERFLOW, { truncated });
    if (!goesOn) return end(FailureClass.TURN_LIMIT, { truncated });

    const role = nextRole(
      played,
      outcome,
      speaker.role,
      sequences.speakers().map(({ role: name }) => name),
    );
    const next = sequences.find(role);
    const forked = 'fork' in outcome ? forkedFrom(played, sequences, outcome.fork) : undefined;
    const thinking = (next ?? forked?.from)?.thinking === true;
    const said = followingOf(outcome, thinking);
    const following = played.environment.outsideText ? outside(said) : said;
    const tokenized = await callRemote(
      ports,
      {
        failure: FailureClass.POLICY_UNAVAILABLE,
        what: `tokenising the result of turn ${turn}`,
        refusals: refusalsOf(played),
        wait: { ...tokenizing, detail: `turn ${turn}` },
      },
      deadline.signal,
      () => ports.tokens.tokenize(following, deadline.signal),
    );
    const lastTurn = next?.recorder.turnTokens() ?? forked?.prefix.turnTokens;
    const appended = lastTurn === undefined ? tokenized : afterTurn(tokenized, lastTurn);
    // What leaves no room for an answer is not appended: the policy never saw it.
    const taken = (next?.recorder ?? forked?.prefix)?.tokenIds.length ?? 0;
    if (appended.tokenIds.length >= limits.contextTokens - taken) {
      if (next !== undefined) next.truncated = true;
      else if (taken === 0 && sequences.speakers().length === 0) sequences.begin(role, thinks(said), tokenized);
      return end(FailureClass.CONTEXT_OVERFLOW, { truncated: true });
    }
    mark = sequences.mark();
    speaker =
      next ??
      (forked === undefined
        ? sequences.begin(role, thinks(said), tokenized)
        : sequences.begin(role, thinking, forked.prefix));
    if (lastTurn !== undefined) speaker.recorder.appendEnvironment(appended.text, appended.tokenIds);
  }
}

function recordOf(
  sequences: EpisodeSequences,
): Pick<EpisodeRecord, 'segments' | 'sequenceDigest' | 'roles' | 'modelTurns'> {
  const speakers = sequences.speakers();
  const [only] = speakers;
  const hasRoles = speakers.length > 1 || only?.role !== '';
  const modelTurns = speakers.reduce((sum, { recorder }) => sum + recorder.modelTurns(), 0);
  const roles = speakers.map(({ role, recorder, truncated }): RoleRecord => ({
    role,
    sequenceDigest: recorder.digest(),
    turns: recorder.modelTurns(),
    truncated,
  }));
  return {
    segments: sequences.segments,
    sequenceDigest: hasRoles ? new Uint8Array() : only.recorder.digest(),
    roles: hasRoles ? roles : [],
    modelTurns,
  };
}

/** What a template says of messages that an agent composed is for its author, whenever it says so. */
function refusalsOf({ definition }: EnvironmentInPlay): readonly ErrorCode[] {
  return definition.branches === true ? ['failed_precondition', 'invalid_argument'] : ['failed_precondition'];
}
