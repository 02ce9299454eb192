import { timingSafeEqual } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { ChatMessage, Conversation } from '#chat/conversation.ts';
import { chatMessages, tailOf, type AgentCall, type AgentReply, type CallMessage } from './agent-call.ts';
import { refusal } from './refusal.ts';
import type { TerminalError } from '#platform/errors.ts';

/** What the model reads next. */
export type Asked = { readonly opening: Conversation } | { readonly following: readonly ChatMessage[] };

/**
 * One conversation between an agent and the policy, and where the two wait for each other:
 *
 *     agent's turn --ask--> model's turn --answer--> agent's turn
 *          any --close--> closed
 */
export interface Session {
  readonly id: string;
  /** Whether a key is that of this session. */
  admits(key: string): boolean;
  /** The agent asks. Throws a refusal. `delivered` says that the agent has the whole reply. */
  ask(call: AgentCall): Promise<{ readonly reply: AgentReply; delivered(): void }>;
  /** What the agent asks when it is its turn, or has asked. */
  asked(): Promise<Asked>;
  /** Of the newest call: what tools said, by the id of their calls. */
  toolResults(): ReadonlyMap<string, string>;
  answer(reply: AgentReply): void;
  /** Calls that wait and that come later are refused with this. */
  close(reason: TerminalError): void;
}

interface Turn {
  readonly call: AgentCall;
  readonly reply: PromiseWithResolvers<AgentReply>;
  delivered: boolean;
}

export function createSession(id: string, key: string, thinking: boolean): Session {
  let history: readonly CallMessage[] = [];
  let turn: Turn | undefined;
  let modelsTurn = false;
  let asked = Promise.withResolvers<Asked>();
  let closed: TerminalError | undefined;
  let results: ReadonlyMap<string, string> = new Map();

  function begin(call: AgentCall): Turn {
    if (turn !== undefined && !isDeepStrictEqual(call.tools, turn.call.tools)) {
      throw refusal(
        'history_rewritten',
        'tools: they are not those of the first call, which the model has read; send the same in each call',
        'tools',
      );
    }
    const added = tailOf(history, call.messages);
    const messages = chatMessages(added, history.length);
    results = new Map(added.flatMap((message) => (message.role === 'tool' ? [[message.callId, message.text]] : [])));
    const begun: Turn = { call, reply: Promise.withResolvers(), delivered: false };
    // Nobody may wait for it any more.
    begun.reply.promise.catch(() => {});
    asked.resolve(
      turn === undefined ? { opening: { messages, tools: call.tools, thinking } } : { following: messages },
    );
    modelsTurn = true;
    return begun;
  }

  return {
    id,
    admits: (given) => given.length === key.length && timingSafeEqual(Buffer.from(given), Buffer.from(key)),
    async ask(call) {
      if (closed !== undefined) throw closed;
      // A client that lost its connection asks again.
      const again = turn !== undefined && !turn.delivered && isDeepStrictEqual(call, turn.call);
      if (modelsTurn && !again) {
        throw refusal(
          'parallel_calls',
          'the session waits for the model: calls of one session go one after the other; parallel ones are not served yet',
        );
      }
      const current = again && turn !== undefined ? turn : begin(call);
      turn = current;
      return { reply: await current.reply.promise, delivered: () => void (current.delivered = true) };
    },
    asked: () => asked.promise,
    toolResults: () => results,
    answer(reply) {
      if (turn === undefined) throw new TypeError('a session is answered when it has been asked');
      history = [...turn.call.messages, { role: 'assistant', text: reply.text, calls: reply.calls }];
      modelsTurn = false;
      asked = Promise.withResolvers();
      turn.reply.resolve(reply);
    },
    close(reason) {
      closed ??= reason;
      turn?.reply.reject(closed);
    },
  };
}
