import { createHash, timingSafeEqual } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { CancelledError, type TerminalError } from '#platform/errors.ts';
import type { ModelTurn, TurnListener } from '../../kit/environment.ts';
import type { AgentCall, AgentReply, CallMessage, WantedTurns } from './agent-call.ts';
import { branchReasons, createConversations, type Asked, type BranchReason, type Placed } from './conversations.ts';
import { refusal } from './refusal.ts';
import { createToolCalls, type ToolCallFormatName } from './tool-calls/index.ts';

/** The way that an answer takes. */
export interface Connection {
  /** Nobody is there any more. */
  readonly lost: boolean;
  /** Aborts when that is noticed. */
  readonly left: AbortSignal;
}

/** A turn on its way to the agent. */
export interface Delivery {
  readonly reply: AgentReply;
  /** Where it stands. */
  readonly placed: Placed;
  delivered(): void;
}

export interface SessionRules {
  /** Its turns are trained on. */
  readonly trained?: boolean | undefined;
  readonly thinking: boolean;
  readonly toolCalls: ToolCallFormatName;
  /** Most tokens of a turn, where it is known. */
  readonly maxNewTokens?: number | undefined;
}

/**
 * Where an agent and the policy wait for each other:
 *
 *     agent's turn --ask--> model's turn --answer--> agent's turn, or the next of the calls that wait
 *                           model's turn --the agent's connection is lost--> the same, as if it had not asked
 *          any --close--> closed
 *
 * A call goes on with the conversation that its messages continue. One that continues none begins another: a branch.
 */
export interface Session {
  readonly id: string;
  readonly maxNewTokens: number | undefined;
  /** Its turns are trained on, so that they are free ones. */
  readonly trained: boolean;
  /** Whether a key is that of this session. */
  admits(key: string): boolean;
  /** The agent asks: it gets all the turns that it wants, or a refusal is thrown. `delivered` says that the agent has the whole reply. */
  ask(wanted: WantedTurns, connection: Connection): Promise<readonly Delivery[]>;
  /** What the model is asked now, or when the agent asks next. */
  asked(): Promise<Asked>;
  /** Of what the model is asked: it is given up when the agent leaves before the answer. */
  listener(asked: Asked): TurnListener;
  /** Turns that were given up. */
  abandoned(): number;
  /** Of the call that the model is asked: what tools said, by the id of their calls. */
  toolResults(): ReadonlyMap<string, string>;
  /** The model's turn; gives it as the agent gets it. */
  answer(turn: ModelTurn): AgentReply;
  /** How many conversations there are, and how many of them began for which reason. */
  conversations(): number;
  branches(): Readonly<Record<BranchReason, number>>;
  /** What was said up to the end of a turn; undefined where it is no turn of this session. */
  saidUntil(turn: number): readonly CallMessage[] | undefined;
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
  /** `samples`: with those of the same request that come after it. */
  readonly wanted: WantedTurns;
  /** Turns of the same request. */
  readonly request: readonly Turn[];
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
  let current: { readonly turn: Turn; readonly placed: Placed; readonly gone: AbortController } | undefined;
  const listeners = new WeakMap<Asked, TurnListener>();
  let abandoned = 0;
  let heard: AgentReply | undefined;
  let overflown = false;
  let asked = Promise.withResolvers<Asked>();
  let closed: TerminalError | undefined;

  function begin(turn: Turn): void {
    const placed = place(turn.wanted);
    const { begun } = placed;
    if (begun !== undefined) branches.set(begun.reason, (branches.get(begun.reason) ?? 0) + 1);
    const gone = new AbortController();
    current = { turn, placed, gone };
    const { form } = turn.wanted;
    listeners.set(placed.asked, {
      gone: gone.signal,
      ...(form !== undefined && {
        form: { kind: form.kind, definition: form.definition },
        refused: (why) => giveUp(turn, refusal('invalid_value', `${form.field}: ${why}`, form.field)),
      }),
    });
    watch(turn);
    asked.resolve(placed.asked);
  }

  function watch(turn: Turn): void {
    const { connection } = turn;
    connection.left.addEventListener('abort', () => abandon(turn, connection), { once: true });
  }

  /** The turn that is being written is of nobody: the session is as if it had not been asked for. */
  function abandon(turn: Turn, connection: Connection): void {
    // Another connection may have asked for the same before this one was noticed to be lost.
    if (current?.turn !== turn || turn.connection !== connection || closed !== undefined) return;
    abandoned += 1;
    giveUp(turn, new CancelledError('cancelled', 'the client left before its turn was written'));
  }

  function giveUp(turn: Turn, reason: Error): void {
    if (current?.turn !== turn) return;
    const { placed, gone } = current;
    if (placed.begun !== undefined) branches.set(placed.begun.reason, (branches.get(placed.begun.reason) ?? 0) - 1);
    placed.withdraw();
    for (const one of turn.request) {
      // Nobody gets the others.
      if (waiting.includes(one)) waiting.splice(waiting.indexOf(one), 1);
      one.reply.reject(reason);
    }
    asked = Promise.withResolvers();
    next();
    gone.abort();
  }

  function place(wanted: WantedTurns): Placed {
    try {
      return conversations.place(wanted);
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
        for (const one of turn.request) one.reply.reject(thrown);
        // Nobody gets the others.
        while (waiting[0] !== undefined && turn.request.includes(waiting[0])) waiting.shift();
      }
    }
  }

  async function deliveryOf(turn: Turn): Promise<Delivery> {
    const { reply, placed } = await turn.reply.promise;
    return {
      reply,
      placed,
      delivered() {
        turn.delivered = true;
        if (heard === undefined || reply.turn > heard.turn) heard = reply;
      },
    };
  }

  return {
    id,
    maxNewTokens: rules.maxNewTokens,
    trained: rules.trained === true,
    admits: (given) => timingSafeEqual(digestOf(given), digestOf(key)),
    async ask(wanted, connection) {
      if (closed !== undefined) throw closed;
      // A client that lost its connection asks again.
      const lost = [...(current === undefined ? [] : [current.turn]), ...answered.values()].filter(
        (one) =>
          !one.delivered &&
          one.connection.lost &&
          isDeepStrictEqual([wanted.call, wanted.form], [one.wanted.call, one.wanted.form]),
      );
      const turns = lost.slice(0, wanted.samples);
      const lacking = wanted.samples - turns.length;
      if (lacking > 0 && waiting.length + lacking > mostWaiting) {
        throw refusal(
          'too_many_calls',
          `${waiting.length} calls of this session wait for the model, at most ${mostWaiting} may; wait for some of them`,
        );
      }
      for (const turn of turns) {
        turn.connection = connection;
        if (turn === current?.turn) watch(turn);
      }
      if (lacking > 0) overflown = false;
      const request: Turn[] = [];
      for (let samples = lacking; samples > 0; samples -= 1) {
        const reply = Promise.withResolvers<Answered>();
        // Nobody may wait for it any more.
        reply.promise.catch(() => {});
        request.push({ wanted: { ...wanted, samples }, request, connection, reply, delivered: false });
      }
      waiting.push(...request);
      if (current === undefined) next();
      return await Promise.all([...turns, ...request].map(deliveryOf));
    },
    asked: () => asked.promise,
    listener(of) {
      const listener = listeners.get(of);
      if (listener === undefined) throw new TypeError('a listener is of what this session was asked');
      return listener;
    },
    abandoned: () => abandoned,
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
