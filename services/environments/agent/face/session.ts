import { createHash, timingSafeEqual } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { TerminalError } from '#platform/errors.ts';
import type { ModelTurn } from '../../kit/environment.ts';
import type { AgentCall, AgentReply } from './agent-call.ts';
import { branchReasons, createConversations, type Asked, type BranchReason, type Placed } from './conversations.ts';
import { refusal } from './refusal.ts';
import { createToolCalls, type ToolCallFormatName } from './tool-calls/index.ts';

/** The way that an answer takes. */
export interface Connection {
  /** Nobody is there any more. */
  readonly lost: boolean;
}

/** A turn on its way to the agent. */
export interface Delivery {
  readonly reply: AgentReply;
  /** Where it stands. */
  readonly placed: Placed;
  delivered(): void;
}

export interface SessionRules {
  readonly thinking: boolean;
  readonly toolCalls: ToolCallFormatName;
  /** Most tokens of a turn, where it is known. */
  readonly maxNewTokens?: number | undefined;
}

/**
 * Where an agent and the policy wait for each other:
 *
 *     agent's turn --ask--> model's turn --answer--> agent's turn, or the next of the calls that wait
 *          any --close--> closed
 *
 * A call goes on with the conversation that its messages continue. One that continues none begins another: a branch.
 */
export interface Session {
  readonly id: string;
  readonly maxNewTokens: number | undefined;
  /** Whether a key is that of this session. */
  admits(key: string): boolean;
  /** The agent asks. Throws a refusal. `delivered` says that the agent has the whole reply. */
  ask(call: AgentCall, connection: Connection): Promise<Delivery>;
  /** What the model is asked now, or when the agent asks next. */
  asked(): Promise<Asked>;
  /** Of the call that the model is asked: what tools said, by the id of their calls. */
  toolResults(): ReadonlyMap<string, string>;
  /** The model's turn; gives it as the agent gets it. */
  answer(turn: ModelTurn): AgentReply;
  /** How many conversations there are, and how many of them began for which reason. */
  conversations(): number;
  branches(): Readonly<Record<BranchReason, number>>;
  /** What was said up to the end of a turn; undefined where it is no turn of this session. */
  saidUntil(turn: number): AgentCall | undefined;
  /** What the template renders of a call; nothing is asked. */
  rendered(call: AgentCall): Extract<Asked, { readonly opening: unknown }>['opening'];
  /** The newest turn that has reached the agent. */
  heard(): AgentReply | undefined;
  /** Notes that the agent asked for more than a rollout holds: what it does about that is no fault of its own, until a call is taken again. Gives the refusal back. */
  overflow(reason: TerminalError): TerminalError;
  overflown(): boolean;
  /** Calls that wait and that come later are refused with this. */
  close(reason: TerminalError): void;
}

interface Turn {
  readonly call: AgentCall;
  connection: Connection;
  readonly reply: PromiseWithResolvers<Answered>;
  delivered: boolean;
}

interface Answered {
  readonly reply: AgentReply;
  readonly placed: Placed;
}

/** Of a session; each may be as large as a body. */
const mostWaiting = 64;

export function createSession(id: string, key: string, rules: SessionRules): Session {
  const conversations = createConversations(rules.thinking, createToolCalls(rules.toolCalls));
  const branches = new Map<BranchReason, number>();
  const waiting: Turn[] = [];
  /** The newest turn of each conversation. */
  const answered = new Map<string, Turn>();
  let current: { readonly turn: Turn; readonly placed: Placed } | undefined;
  let heard: AgentReply | undefined;
  let overflown = false;
  let asked = Promise.withResolvers<Asked>();
  let closed: TerminalError | undefined;

  function begin(turn: Turn): void {
    const placed = place(turn.call);
    const { begun } = placed;
    if (begun !== undefined) branches.set(begun.reason, (branches.get(begun.reason) ?? 0) + 1);
    current = { turn, placed };
    asked.resolve(placed.asked);
  }

  function place(call: AgentCall): Placed {
    try {
      return conversations.place(call);
    } catch (thrown) {
      overflown = true;
      throw thrown;
    }
  }

  /** The first of the calls that wait and can be asked. */
  function next(): void {
    current = undefined;
    while (current === undefined) {
      const turn = waiting.shift();
      if (turn === undefined) return;
      // Who asked it has left; one that asks again waits anew.
      if (turn.connection.lost) continue;
      try {
        begin(turn);
      } catch (thrown) {
        turn.reply.reject(thrown);
      }
    }
  }

  return {
    id,
    maxNewTokens: rules.maxNewTokens,
    admits: (given) => timingSafeEqual(digestOf(given), digestOf(key)),
    async ask(call, connection) {
      if (closed !== undefined) throw closed;
      // A client that lost its connection asks again.
      const lost = [current?.turn, ...answered.values()].find(
        (one) => one !== undefined && !one.delivered && one.connection.lost && isDeepStrictEqual(call, one.call),
      );
      if (lost === undefined && waiting.length >= mostWaiting) {
        throw refusal(
          'too_many_calls',
          `${waiting.length} calls of this session wait for the model; wait for some of them`,
        );
      }
      const turn = lost ?? { call, connection, reply: Promise.withResolvers<Answered>(), delivered: false };
      turn.connection = connection;
      if (lost === undefined) {
        overflown = false;
        // Nobody may wait for it any more.
        turn.reply.promise.catch(() => {});
        waiting.push(turn);
        if (current === undefined) next();
      }
      const { reply, placed } = await turn.reply.promise;
      return {
        reply,
        placed,
        delivered() {
          turn.delivered = true;
          if (heard === undefined || reply.turn > heard.turn) heard = reply;
        },
      };
    },
    asked: () => asked.promise,
    toolResults: () => current?.placed.results ?? new Map(),
    answer(written) {
      if (current === undefined) throw new TypeError('a session is answered when it has been asked');
      const { turn, placed } = current;
      const reply = placed.answer(written);
      answered.set(placed.asked.branch, turn);
      asked = Promise.withResolvers();
      turn.reply.resolve({ reply, placed });
      next();
      return reply;
    },
    conversations: conversations.count,
    branches: () =>
      // Each reason is there.
      Object.fromEntries(branchReasons.map((reason) => [reason, branches.get(reason) ?? 0])) as Record<
        BranchReason,
        number
      >,
    saidUntil: conversations.saidUntil,
    rendered: conversations.opening,
    heard: () => heard,
    overflow(reason) {
      overflown = true;
      return reason;
    },
    overflown: () => overflown,
    close(reason) {
      closed ??= reason;
      for (const turn of [current?.turn, ...waiting]) turn?.reply.reject(closed);
    },
  };
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
