import { createHash, timingSafeEqual } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { ChatMessage, Conversation } from '#chat/conversation.ts';
import type { TerminalError } from '#platform/errors.ts';
import { branchName, mostBranches } from '#trajectory/branches.ts';
import { chatMessages, tailOf, type AgentCall, type AgentReply, type CallMessage } from './agent-call.ts';
import { refusal } from './refusal.ts';

/** What the model reads next, and in which of the session's conversations; the first one has the empty name. */
export type Asked = { readonly branch: string } & (
  | { readonly opening: Conversation }
  | { readonly following: readonly ChatMessage[] }
);

/** The way that an answer takes. */
export interface Connection {
  /** Nobody is there any more. */
  readonly lost: boolean;
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
  /** Whether a key is that of this session. */
  admits(key: string): boolean;
  /** The agent asks. Throws a refusal. `delivered` says that the agent has the whole reply. */
  ask(call: AgentCall, connection: Connection): Promise<{ readonly reply: AgentReply; delivered(): void }>;
  /** What the model is asked now, or when the agent asks next. */
  asked(): Promise<Asked>;
  /** Of the call that the model is asked: what tools said, by the id of their calls. */
  toolResults(): ReadonlyMap<string, string>;
  answer(reply: AgentReply): void;
  /** How many conversations there are. */
  conversations(): number;
  /** The newest turn that has reached the agent. */
  heard(): AgentReply | undefined;
  /** Notes that the agent asked for more than a rollout holds: what it does about that is no fault of its own. Gives the refusal back. */
  overflow(reason: TerminalError): TerminalError;
  overflown(): boolean;
  /** Calls that wait and that come later are refused with this. */
  close(reason: TerminalError): void;
}

interface Talk {
  readonly name: string;
  readonly tools: readonly unknown[];
  history: readonly CallMessage[];
  /** Its newest turn. */
  answered?: Turn;
}

interface Turn {
  readonly call: AgentCall;
  readonly connection: Connection;
  readonly reply: PromiseWithResolvers<AgentReply>;
  delivered: boolean;
}

/** Of a session; each may be as large as a body. */
const mostWaiting = 64;

export function createSession(id: string, key: string, thinking: boolean): Session {
  const talks: Talk[] = [];
  const waiting: Turn[] = [];
  let current: { readonly turn: Turn; readonly talk: Talk; readonly results: ReadonlyMap<string, string> } | undefined;
  let heard: AgentReply | undefined;
  let overflown = false;
  let asked = Promise.withResolvers<Asked>();
  let closed: TerminalError | undefined;

  function begin(turn: Turn): void {
    const { messages, tools } = turn.call;
    const known = talkOf(turn.call);
    const added = known === undefined ? messages : messages.slice(known.history.length);
    const following = chatMessages(added);
    const talk = known ?? { name: nextName(), tools, history: [] };
    if (known === undefined) talks.push(talk);
    const results = added.flatMap((message): [string, string][] =>
      message.role === 'tool' ? [[message.callId, message.text]] : [],
    );
    current = { turn, talk, results: new Map(results) };
    const what = known === undefined ? { opening: { messages: following, tools, thinking } } : { following };
    asked.resolve({ branch: talk.name, ...what });
  }

  /** The longest conversation that the call goes on with. */
  function talkOf({ messages, tools }: AgentCall): Talk | undefined {
    return talks
      .filter((talk) => isDeepStrictEqual(talk.tools, tools) && tailOf(talk.history, messages).length > 0)
      .toSorted((one, other) => other.history.length - one.history.length)[0];
  }

  function nextName(): string {
    if (talks.length === 0) return '';
    if (talks.length <= mostBranches) return branchName(talks.length);
    overflown = true;
    throw refusal(
      'too_many_branches',
      `messages: they continue none of the ${talks.length} conversations of this session, and a rollout has no more; send earlier messages unchanged`,
      'messages',
    );
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
    admits: (given) => timingSafeEqual(digestOf(given), digestOf(key)),
    async ask(call, connection) {
      if (closed !== undefined) throw closed;
      // A client that lost its connection asks again.
      const lost = [current?.turn, ...talks.map(({ answered }) => answered)].find(
        (one) => one !== undefined && !one.delivered && one.connection.lost && isDeepStrictEqual(call, one.call),
      );
      if (lost === undefined && waiting.length >= mostWaiting) {
        throw refusal(
          'too_many_calls',
          `${waiting.length} calls of this session wait for the model; wait for some of them`,
        );
      }
      const turn = lost ?? { call, connection, reply: Promise.withResolvers<AgentReply>(), delivered: false };
      if (lost === undefined) {
        // Nobody may wait for it any more.
        turn.reply.promise.catch(() => {});
        waiting.push(turn);
        if (current === undefined) next();
      }
      const reply = await turn.reply.promise;
      return {
        reply,
        delivered() {
          turn.delivered = true;
          if (heard === undefined || reply.turn > heard.turn) heard = reply;
        },
      };
    },
    asked: () => asked.promise,
    toolResults: () => current?.results ?? new Map(),
    answer(reply) {
      if (current === undefined) throw new TypeError('a session is answered when it has been asked');
      const { turn, talk } = current;
      talk.history = [...turn.call.messages, { role: 'assistant', text: reply.text, calls: reply.calls }];
      talk.answered = turn;
      asked = Promise.withResolvers();
      turn.reply.resolve(reply);
      next();
    },
    conversations: () => talks.length,
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
