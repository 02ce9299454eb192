import type { Conversation } from '#chat/conversation.ts';
import type { TurnFormKind } from './environment.ts';
import type { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import type { UserCodeHost } from '#user-code/user-code-host.ts';

/** Services that an environment may stand on. */
export const needs = ['retrieval'] as const;
export type Need = (typeof needs)[number];

/** What an environment may use of the worker that plays it, opened when it is first asked for. */
export interface EnvironmentClients {
  /** Throws TerminalError where the address is not known. */
  retrieval(): GrpcClient<typeof RetrievalService>;
  /** What processes of users' code are started with. */
  userCode(): Promise<UserCodeHost>;
  /** The policy's tokenizer, for what is no part of any sequence; absent where no episode is played. */
  readonly tokens?: EnvironmentTokens;
  /** What the engines can hold turns to now. Absent where no episode is played. */
  readonly forms?: (signal: AbortSignal) => Promise<readonly TurnFormKind[]>;
  /** How sessions of agents are served that reach them through the gateway. Absent where no worker plays. */
  readonly sessions?: ServedSessions;
}

export interface ServedSessions {
  /** `host:port` where gateways reach them. */
  readonly listen: string;
  readonly allowedHosts: readonly string[];
  /**
   * Registers at the gateways where the sessions of a token are played, until it is disposed. `opens`: they may be opened there. Throws TerminalError
   * where a gateway serves no sessions.
   */
  announce(played: {
    readonly workerToken: string;
    readonly address: string;
    readonly opens: boolean;
  }): Promise<Disposable>;
}

/** Throws TerminalError('invalid_argument') for what cannot be tokenised, and for ids that the tokenizer does not have. */
export interface EnvironmentTokens {
  /** Messages as the model's template renders them, or texts from outside. */
  count(prompt: string | Conversation, signal: AbortSignal): Promise<number>;
  /** The text of each list of ids. */
  decode(lists: readonly (readonly number[])[], signal: AbortSignal): Promise<readonly string[]>;
}
