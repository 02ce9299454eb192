import { isDeepStrictEqual } from 'node:util';
import type { ChatMessage, Conversation } from '#chat/conversation.ts';
import { branchName, mostBranches } from '#trajectory/branches.ts';
import { withoutEndMarker } from '../../kit/codec.ts';
import type { ModelTurn, TokenPrompt } from '../../kit/environment.ts';
import type { AgentCall, AgentReply, CallMessage, ChatCall, WantedTurns } from './agent-call.ts';
import { commonMessages } from './common-messages.ts';
import { refusal } from './refusal.ts';
import type { ToolCalls } from './tool-calls/index.ts';
import { readTurn } from './tool-calls/read-turn.ts';

/** What the model reads next, and in which of the session's conversations; the first one has the empty name. */
export type Asked = { readonly branch: string } & (
  | { readonly opening: string | Conversation | TokenPrompt }
  | { readonly following: string | readonly ChatMessage[] | TokenPrompt; readonly fork?: TurnOfBranch }
);

/** A turn of a conversation, from 1. */
export interface TurnOfBranch {
  readonly role: string;
  readonly turns: number;
}

/**
 * Why a call continues no conversation of the session:
 *
 * | reason             | what the call has                                                     |
 * |--------------------|-----------------------------------------------------------------------|
 * | `new_conversation` | another beginning than every one that there is                        |
 * | `changed_tools`    | the messages of one, and other tools                                  |
 * | `changed_message`  | the beginning of one, and then something else than was said (`at`)    |
 * | `second_sample`    | what has been asked before: another turn for it                       |
 */
export const branchReasons = ['new_conversation', 'changed_tools', 'changed_message', 'second_sample'] as const;
export type BranchReason = (typeof branchReasons)[number];

/** Where a call belongs. */
export interface Placed {
  readonly asked: Asked;
  /** Of a branch; absent where a conversation goes on, and of the first. `at` is the first message, character or token that differs. */
  readonly begun?: { readonly reason: BranchReason; readonly at: number };
  /** What tools said in what is new, by the id of their calls. */
  readonly results: ReadonlyMap<string, string>;
  /** Notes the turn. */
  answer(turn: ModelTurn): AgentReply;
  /** In the place of `answer`, while it is what was placed last: it was not said, and a conversation that it began has not begun. */
  withdraw(): void;
}

interface Talk {
  readonly name: string;
  /** All that was said in it. */
  said: AgentCall;
  /** Where in `said` turns of the model end, those of the conversation that it is a fork of included. */
  turnEnds: readonly (TurnOfBranch & { readonly at: number })[];
}

/** The conversations of one session. */
export function createConversations(thinking: boolean, toolCalls: ToolCalls) {
  const talks: Talk[] = [];
  /** Where each turn of a chat ends. What is said in a conversation is only added to: none of it is kept twice. */
  const ends = new Map<number, { readonly talk: Talk; readonly from: number; readonly until: number }>();

  const chatMessages = (messages: readonly CallMessage[]): readonly ChatMessage[] =>
    messages.map((message) => {
      const { role, text } = message;
      if (role !== 'assistant' || message.calls.length === 0) return { role, content: text };
      const calls = message.calls.flatMap((call) => toolCalls.write(call.name, call.arguments));
      return { role, content: [{ text }, ...calls] };
    });

  const openingOf = (call: AgentCall): string | Conversation | TokenPrompt => {
    if (call.kind === 'text') return call.text;
    if (call.kind === 'tokens') return { tokenIds: call.tokenIds };
    return { messages: chatMessages(call.messages), tools: call.tools, thinking };
  };

  function restOf(call: AgentCall, from: number): string | readonly ChatMessage[] | TokenPrompt {
    if (call.kind === 'text') return call.text.slice(from);
    if (call.kind === 'tokens') return { tokenIds: call.tokenIds.slice(from) };
    return chatMessages(call.messages.slice(from));
  }

  function checkRoom(begins: number, field: string): void {
    const most = mostBranches + 1;
    if (talks.length + begins <= most) return;
    const message =
      `${field}: the call would begin ${begins} more than the ${talks.length} conversations of this session, and a rollout has at most ${most}; ` +
      'send earlier messages unchanged, and ask for fewer samples';
    throw refusal('too_many_branches', message, field);
  }

  return {
    count: () => talks.length,
    /** Up to the end of a turn of a chat, without instructions that were given with it alone. */
    saidUntil(turn: number): readonly CallMessage[] | undefined {
      const end = ends.get(turn);
      return end?.talk.said.kind === 'chat' ? end.talk.said.messages.slice(end.from, end.until) : undefined;
    },
    /** As a template would render it. */
    opening: openingOf,
    /** The first of the turns that are wanted. Throws a refusal where a rollout has no room for all of them. */
    place({ call, field, samples }: WantedTurns): Placed {
      const near = talks
        .filter((talk) => talk.said.kind === call.kind)
        .map((talk) => ({ talk, common: commonLength(talk.said, call), alike: hasTools(talk.said, call) }))
        .toSorted((one, other) => other.common - one.common || Number(other.alike) - Number(one.alike));
      const length = lengthOf(call);
      const known = near.find(
        ({ talk, common, alike }) => alike && common === lengthOf(talk.said) && common < length,
      )?.talk;
      checkRoom(known === undefined ? samples : samples - 1, field);
      if (known !== undefined) {
        const from = lengthOf(known.said);
        return placed(known, call, { branch: known.name, following: restOf(call, from) }, from);
      }
      const [nearest] = near;
      const talk: Talk = { name: talks.length === 0 ? '' : branchName(talks.length), said: call, turnEnds: [] };
      const fork =
        call.kind === 'chat'
          ? forkOf(
              call,
              near.filter(({ alike }) => alike),
            )
          : undefined;
      const asked: Asked =
        fork === undefined
          ? { branch: talk.name, opening: openingOf(call) }
          : { branch: talk.name, following: restOf(call, fork.at), fork: { role: fork.role, turns: fork.turns } };
      talk.turnEnds = fork?.before ?? [];
      const isFirst = talks.length === 0;
      talks.push(talk);
      const common = nearest?.common ?? 0;
      const withdraw = (): void => void talks.splice(talks.indexOf(talk), 1);
      const begun = isFirst ? {} : { begun: { reason: reasonOf(common, length, nearest?.alike === true), at: common } };
      return { ...placed(talk, call, asked, fork?.at ?? 0), ...begun, withdraw };
    },
  };

  function placed(talk: Talk, call: AgentCall, asked: Asked, from: number): Placed {
    const added = call.kind === 'chat' ? call.messages.slice(from) : [];
    const ids =
      call.kind === 'chat' && talk.said.kind === 'chat' ? callIds(talk.said.messages, call.messages, from) : [];
    const results = added.flatMap((message): [string, string][] =>
      message.role === 'tool' ? [[new Map(ids).get(message.callId) ?? message.callId, message.text]] : [],
    );
    return {
      asked,
      results: new Map(results),
      withdraw: () => {},
      answer(turn) {
        const reply = replyOf(turn, call, toolCalls);
        talk.said = withReply(call, reply);
        const until = lengthOf(talk.said);
        if (call.kind === 'chat') ends.set(turn.index, { talk, from: call.instructed === true ? 1 : 0, until });
        const turns = talk.turnEnds.filter(({ role }) => role === talk.name).length + 1;
        talk.turnEnds = [...talk.turnEnds, { role: talk.name, turns, at: until }];
        return reply;
      },
    };
  }
}

function replyOf(turn: ModelTurn, call: AgentCall, toolCalls: ToolCalls): AgentReply {
  const tools = call.kind === 'chat' && call.mayCall ? call.tools : undefined;
  const read =
    call.kind === 'chat'
      ? readTurn(turn.text, turn.index, toolCalls, tools)
      : { text: withoutEndMarker(turn.text), thought: '', calls: [] };
  return { turn: turn.index, ...read, cut: turn.cutBy !== undefined, tokens: turn.tokens, sampled: turn.sampled?.() };
}

function withReply(call: AgentCall, { text, calls, sampled }: AgentReply): AgentCall {
  switch (call.kind) {
    case 'chat':
      return { ...call, messages: [...call.messages, { role: 'assistant', text, calls }] };
    case 'text':
      return { ...call, text: call.text + text };
    case 'tokens':
      return { ...call, tokenIds: [...call.tokenIds, ...(sampled?.tokenIds ?? [])] };
  }
}

function lengthOf(call: AgentCall): number {
  if (call.kind === 'chat') return call.messages.length;
  return call.kind === 'text' ? call.text.length : call.tokenIds.length;
}

function commonLength(said: AgentCall, call: AgentCall): number {
  if (said.kind === 'chat' && call.kind === 'chat') return commonMessages(said.messages, call.messages);
  const [one, other] =
    said.kind === 'text' && call.kind === 'text'
      ? [said.text, call.text]
      : [said.kind === 'tokens' ? said.tokenIds : [], call.kind === 'tokens' ? call.tokenIds : []];
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  return at;
}

function hasTools(said: AgentCall, call: AgentCall): boolean {
  return said.kind !== 'chat' || (call.kind === 'chat' && isDeepStrictEqual(said.tools, call.tools));
}

/** Of the calls in the turn that ends in front of `from`: the client's ids, and those that it was given. */
function callIds(said: readonly CallMessage[], messages: readonly CallMessage[], from: number): [string, string][] {
  const [one, other] = [said[from - 1], messages[from - 1]];
  if (one?.role !== 'assistant' || other?.role !== 'assistant') return [];
  return one.calls.map(({ id }, at) => [other.calls[at]?.id ?? id, id]);
}

/** The last turn of the model that the call has as it was said: what came before it stays the ids that it is. */
function forkOf(call: ChatCall, near: readonly { readonly talk: Talk; readonly common: number }[]) {
  for (const { talk, common } of near) {
    const end = talk.turnEnds.findLastIndex(
      ({ at }) => at <= common && at < call.messages.length && call.messages[at]?.role !== 'assistant',
    );
    const turn = talk.turnEnds[end];
    if (turn !== undefined) return { ...turn, before: talk.turnEnds.slice(0, end + 1) };
  }
  return undefined;
}

function reasonOf(common: number, length: number, alike: boolean): BranchReason {
  if (common === 0) return 'new_conversation';
  if (!alike) return 'changed_tools';
  return common === length ? 'second_sample' : 'changed_message';
}
