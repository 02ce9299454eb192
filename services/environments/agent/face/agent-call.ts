import type { ModelTurn, SampledTurn, TurnForm } from '../../kit/environment.ts';

/** What a request wants. */
export interface WantedTurns {
  readonly call: AgentCall;
  /** The field that holds what was said so far. */
  readonly field: string;
  /** How many turns it wants. */
  readonly samples: number;
  /** What they are held to; absent where they are free. */
  readonly form?: WantedForm | undefined;
}

export interface WantedForm extends TurnForm {
  /** The field of the request that says so. */
  readonly field: string;
}

/** A request for a turn, whatever dialect it came in. */
export type AgentCall = ChatCall | TextCall | TokenCall;

export interface ChatCall {
  readonly kind: 'chat';
  readonly messages: readonly CallMessage[];
  /** In JSON schema. */
  readonly tools: readonly unknown[];
  /** Whether the first message is of this call alone. */
  readonly instructed?: boolean;
  /** Whether calls of tools are read from the turn. */
  readonly mayCall: boolean;
}

/** The sequence so far as text. */
export interface TextCall {
  readonly kind: 'text';
  readonly text: string;
}

/** The sequence so far, as it is. */
export interface TokenCall {
  readonly kind: 'tokens';
  readonly tokenIds: readonly number[];
}

export type CallMessage =
  | { readonly role: 'system' | 'user'; readonly text: string }
  | { readonly role: 'tool'; readonly text: string; readonly callId: string }
  | { readonly role: 'assistant'; readonly text: string; readonly calls: readonly ToolCall[] };

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON. */
  readonly arguments: string;
}

/** A turn of the model as the agent gets it. */
export interface AgentReply {
  /** From 0, unique in the session. */
  readonly turn: number;
  readonly text: string;
  readonly thought: string;
  readonly calls: readonly ToolCall[];
  readonly cut: boolean;
  readonly tokens: ModelTurn['tokens'];
  readonly sampled: SampledTurn | undefined;
}
