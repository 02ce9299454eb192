import { timingSafeEqual } from 'node:crypto';
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
  /** Calls that wait and that come later are refused with this. */
  close(reason: TerminalError): void;
}

interface Talk {
  readonly name: string;
  readonly tools: readonly unknown[];
  history: readonly CallMessage[];
}

interface Turn {
  readonly call: AgentCall;
  readonly connection: Connection;
  readonly reply: PromiseWithResolvers<AgentReply>;
  delivered: boolean;
}

export function createSession(id: string, key: string, thinking: boolean): Session {
  const talks: Talk[] = [];
  const waiting: Turn[] = [];
  let current: { readonly turn: Turn; readonly talk: Talk; readonly results: ReadonlyMap<string, string> } | undefined;
  let answered: Turn | undefined;
  let asked = Promise.withResolvers<Asked>();
  let closed: TerminalError | undefined;

  function begin(turn: Turn): void {
    const { messages, tools } = turn.call;
    const known = talkOf(turn.call);
    const added = known === undefined ? messages : messages.slice(known.history.length);
    const following = chatMessages(added, messages.length - added.length);
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
      try {
        begin(turn);
      } catch (thrown) {
        turn.reply.reject(thrown);
      }
    }
  }

  return {
    id,
    admits: (given) => given.length === key.length && timingSafeEqual(Buffer.from(given), Buffer.from(key)),
    async ask(call, connection) {
      if (closed !== undefined) throw closed;
      // A client that lost its connection asks again.
      const lost = [answered, current?.turn, ...waiting].find(
        (one) => one !== undefined && !one.delivered && one.connection.lost && isDeepStrictEqual(call, one.call),
      );
      const turn = lost ?? { call, connection, reply: Promise.withResolvers<AgentReply>(), delivered: false };
      if (lost === undefined) {
        // Nobody may wait for it any more.
        turn.reply.promise.catch(() => {});
        waiting.push(turn);
        if (current === undefined) next();
      }
      return { reply: await turn.reply.promise, delivered: () => void (turn.delivered = true) };
    },
    asked: () => asked.promise,
    toolResults: () => current?.results ?? new Map(),
    answer(reply) {
      if (current === undefined) throw new TypeError('a session is answered when it has been asked');
      const { turn, talk } = current;
      talk.history = [...turn.call.messages, { role: 'assistant', text: reply.text, calls: reply.calls }];
      answered = turn;
      asked = Promise.withResolvers();
      turn.reply.resolve(reply);
      next();
    },
    conversations: () => talks.length,
    close(reason) {
      closed ??= reason;
      for (const turn of [current?.turn, ...waiting]) turn?.reply.reject(closed);
    },
  };
}
