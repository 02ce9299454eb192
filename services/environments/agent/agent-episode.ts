import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { untilCancelled } from '#platform/async/sleep.ts';
import { CancelledError, TransientError } from '#platform/errors.ts';
import type {
  Episode,
  EpisodeRow,
  ModelTurn,
  StartIo,
  StepIo,
  StepOutcome,
  TurnAction,
  TurnListener,
} from '../kit/environment.ts';
import { faultInWords } from '#user-code/user-code-error.ts';
import type { AgentReply } from './face/agent-call.ts';
import type { Asked } from './face/conversations.ts';
import { refusal } from './face/refusal.ts';
import type { Session } from './face/session.ts';
import type { Face } from './face/start-face.ts';
import type { AgentKind, AgentSession, RunningAgent } from './kinds/agent-kind.ts';
import type { AgentOptions } from './options.ts';
import type { AgentEnd, AgentResult } from './reports/agent-result.ts';
import type { OpenReports } from './reports/report-routes.ts';
import { createSessionReports, type SessionReports } from './reports/session-reports.ts';

/** What all agents of a worker have alike. */
export interface AgentHost {
  readonly options: AgentOptions;
  readonly kind: AgentKind;
  readonly face: Face;
  readonly reports: OpenReports;
}

type Next = { readonly asked: Asked; readonly listener: TurnListener } | { readonly ended: AgentEnd };

/**
 * One agent from its first question to its end. The agent owns the loop: a step gives it the turn it waits for, and lasts until it asks again or
 * ends.
 */
export async function startAgentEpisode(agents: AgentHost, row: EpisodeRow, io: StartIo): Promise<Episode> {
  const { options, face, kind } = agents;
  const limits = { maxNewTokens: io.maxNewTokens, trained: io.rollout?.trained };
  const at: AgentSession = { ...face.open(limits), reports: createSessionReports(options.rewards) };
  const { session } = at;
  agents.reports.set(session.id, at.reports);
  const over = new AbortController();
  let agent: RunningAgent | undefined;

  async function close(): Promise<void> {
    session.close(refusal('episode_over', 'the episode of this session is over: it was scored, or a limit ended it'));
    face.forget(session);
    agents.reports.delete(session.id);
    over.abort();
    await agent?.stop();
  }

  try {
    agent = await kind.start(row, io, at);
    const first = await nextOf(session, agent, { ...io, toolTimeoutMs: options.start_timeout_ms });
    if ('ended' in first) throw neverAsked(first.ended, agent);
    if (!('opening' in first.asked)) throw new TypeError('a session begins with the opening of a conversation');
    const { listener } = first;
    return createEpisode({ options, at, agent, opening: first.asked.opening, listener, over: over.signal, close });
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

interface Played {
  readonly options: AgentOptions;
  readonly at: AgentSession;
  readonly agent: RunningAgent;
  readonly opening: ReturnType<Episode['prompt']>;
  /** Of the first turn. */
  readonly listener: TurnListener;
  /** Aborts when the episode is closed. */
  readonly over: AbortSignal;
  close(): Promise<void>;
}

function createEpisode({ options, at, agent, opening, listener: first, over, close }: Played): Episode {
  const { session, reports } = at;
  let reply: AgentReply | undefined;
  let listener = first;
  let ending: Promise<StepOutcome> | undefined;
  /** Turns whose call has a result that scorers do not see. */
  const resultsUnseen = new Set<number>();

  async function endOf(end: AgentEnd): Promise<StepOutcome> {
    session.close(refusal('session_ended', 'the agent of this session has ended'));
    if (end.kind !== 'finished') {
      if (end.kind === 'over_limit') throw failed(end.why);
      if (session.overflown()) return { kind: 'done', failure: 'context_overflow' };
      if (options.failed_exit === 'stop') throw failed(end.why);
      return { kind: 'done', failure: 'malformed_turn' };
    }
    const { result } = end;
    const rewards = await rewardsOf(result);
    const heard = session.heard();
    const { prediction = heard?.calls.length === 0 ? heard.text : undefined } = result;
    const answer =
      prediction === undefined ? {} : { prediction, action: { kind: 'answer', text: prediction } as const };
    const metrics = { ...result.metrics, ...ownMetrics() };
    return { kind: 'done', ...answer, rewards, metrics };
  }

  /** How many conversations there were, why those besides the first began, and how many calls of tools have a result that nobody saw. */
  function ownMetrics(): Readonly<Record<string, number>> {
    const counts = Object.entries(session.branches()).map(([reason, count]) => [`branches_${reason}`, count] as const);
    const some = [
      ...counts,
      ['tool_results_unseen', resultsUnseen.size] as const,
      ['turns_abandoned', session.abandoned()] as const,
    ].filter(([, count]) => count > 0);
    return { conversations: session.conversations(), ...Object.fromEntries(some) };
  }

  /** Of several calls in one turn scorers see the first, with its result where the next call of the agent has it. */
  function actionOf({ turn, calls: [call] }: AgentReply): { readonly action?: TurnAction } {
    if (call === undefined) return {};
    const result = session.toolResults().get(call.id);
    if (result === undefined) resultsUnseen.add(turn);
    // Made of an object by `readTurn`.
    const args = JSON.parse(call.arguments) as Readonly<Record<string, unknown>>;
    return { action: { kind: 'tool_call', name: call.name, arguments: args, result: result ?? '' } };
  }

  /** P2: a reward that somebody else attaches and that does not come is none; the rollout is absent, and never 0. */
  async function rewardsOf(result: AgentResult): Promise<Readonly<Record<string, number>>> {
    const given = (): Record<string, number> => ({ ...reports.rewards(), ...result.rewards });
    const lacking = options.rewards.filter((name) => !Object.hasOwn(given(), name));
    if (lacking.length === 0 || options.reward_timeout_ms === undefined) return given();
    using deadline = deadlineSignal(over, options.reward_timeout_ms);
    try {
      await untilCancelled(reports.whenRewarded(lacking), deadline.signal);
    } catch (thrown) {
      const said = reports.lastRefusal();
      const message =
        `rewards: ${lacking.join(', ')} of session ${session.id} did not come within reward_timeout_ms (${options.reward_timeout_ms} ms)` +
        `; POST them to ${at.url}/rewards${said === undefined ? '' : `; one was refused: ${said}`}`;
      throw new TransientError('unavailable', message, { cause: thrown });
    }
    return given();
  }

  return {
    prompt: () => opening,
    metrics: ownMetrics,
    close,
    listener: () => listener,
    async abandoned(io: StepIo): Promise<StepOutcome> {
      const next = await nextOf(session, agent, io, { left: true, lastRefusal: reports.lastRefusal });
      if ('ended' in next) return await untilCancelled((ending ??= endOf(next.ended)), io.signal);
      ({ listener } = next);
      return { kind: 'continue', ...nextIn(next.asked) };
    },
    async step(turn: ModelTurn, io: StepIo): Promise<StepOutcome> {
      // A step that is tried again waits on: the agent has its turn.
      if (turn.index !== reply?.turn) reply = session.answer(turn);
      const next = await nextOf(session, agent, io, { answered: reply.turn, lastRefusal: reports.lastRefusal });
      const action = actionOf(reply);
      if ('ended' in next) return await untilCancelled((ending ??= endOf(next.ended)), io.signal);
      if (turn.cutBy === 'context') return { kind: 'done', failure: 'context_overflow', ...action };
      ({ listener } = next);
      return { kind: 'continue', ...nextIn(next.asked), ...action };
    },
  };
}

/** What a sequence of the rollout reads next. */
function nextIn({ branch: role, ...asked }: Asked) {
  const read = 'opening' in asked ? asked.opening : asked.following;
  if (typeof read === 'string') return { role, text: read };
  if ('tokenIds' in read) return { role, tokenIds: read.tokenIds };
  if ('messages' in read) return { role, prompt: read };
  return 'fork' in asked && asked.fork !== undefined
    ? { role, fork: asked.fork, messages: read }
    : { role, messages: read };
}

/**
 * What the agent does next, within the time of a tool. `answered` is the turn that it was given last, absent before the first one; `left` says that its
 * connection was lost before a turn was written.
 */
async function nextOf(
  session: Session,
  agent: RunningAgent,
  { signal, toolTimeoutMs }: StepIo,
  {
    answered,
    left = false,
    lastRefusal,
  }: { readonly answered?: number; readonly left?: boolean } & Partial<Pick<SessionReports, 'lastRefusal'>> = {},
): Promise<Next> {
  using deadline = deadlineSignal(signal, toolTimeoutMs);
  const next = Promise.race([
    session.asked().then((asked): Next => ({ asked, listener: session.listener(asked) })),
    agent.ended.then((ended): Next => ({ ended })),
  ]);
  try {
    return await untilCancelled(next, deadline.signal);
  } catch (thrown) {
    if (!deadline.signal.aborted || signal.aborted) throw thrown;
    if (agent.endsInSilence === true && (left || answered !== undefined)) {
      if (!left && session.heard()?.turn === answered) return { ended: { kind: 'finished', result: {} } };
      // P2: nobody has said anything about a turn that nobody has.
      const message = `the agent's connection was lost before its turn reached it, and it did not ask again within ${toolTimeoutMs} ms`;
      throw new TransientError('unavailable', message, { cause: thrown });
    }
    const said = lastRefusal?.();
    const refused = said === undefined ? '' : `; a report of it was refused: ${said}`;
    const message = `the agent neither asked the model nor ended within ${toolTimeoutMs} ms${refused}`;
    throw new CancelledError('deadline_exceeded', message, { cause: thrown });
  }
}

function failed(why: string): Error {
  return faultInWords(`the agent failed: ${why}`);
}

function neverAsked(end: AgentEnd, { endsInSilence }: RunningAgent): Error {
  if (end.kind !== 'finished') return failed(end.why);
  // An opened session without a question is no fault, and the next one to open it may have one.
  if (endsInSilence === true)
    return new TransientError('unavailable', 'a session was opened, and ended before it asked the model');
  return faultInWords('the agent ended before it asked the model: let it use the base URL and the key of its session');
}
