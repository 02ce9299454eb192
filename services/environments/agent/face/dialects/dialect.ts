import type { IncomingHttpHeaders } from 'node:http';
import type { HttpRefusal } from '#platform/http/json-server.ts';
import type { AgentOptions } from '../../options.ts';
import type { AgentReply, CallMessage, ChatCall, WantedTurns } from '../agent-call.ts';

/** A way in which clients ask for turns over HTTP: one folder each, and a line in `index.ts`. */
export interface Dialect {
  /** Where a turn is asked for, below `/v1`. */
  readonly path: string;
  /** Whether a request to a path of no dialect, or of several, comes from a client of this one. */
  speaks(headers: IncomingHttpHeaders): boolean;
  /** Throws a refusal that names the parameter. */
  read(body: unknown, rules: CallRules): TurnRequest;
  /** Where the tokens of a call are counted, below `/v1`; nothing is asked of the model then. */
  readonly count?: {
    readonly path: string;
    read(body: unknown, rules: CallRules): ChatCall;
    whole(tokens: number): object;
  };
  /** What `GET /models` lists. */
  readonly models: object;
  refuse(refusal: HttpRefusal): DialectRefusal;
  /** The same, as the last event of a stream that has begun. */
  refusedEvent(refusal: DialectRefusal): string;
}

/** What the recipe says of calls. */
export interface CallRules extends Pick<AgentOptions, 'sampling' | 'thinking'> {
  /** Most tokens of a turn, where it is known. */
  readonly maxNewTokens?: number | undefined;
  /** What was said up to the end of a turn, by its id, without instructions; undefined for what is no turn of a chat of the session. */
  saidUntil?(turnId: string): readonly CallMessage[] | undefined;
}

export interface TurnRequest extends WantedTurns {
  /** As server-sent events. */
  readonly stream: boolean;
  /** Whether it wants the text of each token. */
  readonly tokenTexts: boolean;
  whole(samples: Samples, about: AboutReply): object;
  /** The same as events of a stream: a turn is whole before it is told. */
  events(samples: Samples, about: AboutReply): string;
}

export type Samples = readonly [Sample, ...Sample[]];

export interface Sample extends AgentReply {
  /** Of its tokens, where they are wanted. */
  readonly tokenTexts?: readonly string[];
}

export interface AboutReply {
  /** Ids of turns are this, a hyphen and the turn's number. */
  readonly sessionId: string;
  /** Seconds since 1970. */
  readonly created: number;
}

export interface DialectRefusal {
  readonly status: number;
  readonly body: object;
}
