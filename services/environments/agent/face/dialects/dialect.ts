import type { IncomingHttpHeaders } from 'node:http';
import type { HttpRefusal } from '#platform/http/json-server.ts';
import type { AgentOptions } from '../../options.ts';
import type { AgentCall, AgentReply } from '../agent-call.ts';

/** A way in which clients ask for turns over HTTP: one folder each, and a line in `index.ts`. */
export interface Dialect {
  /** Where a turn is asked for, below `/v1`. */
  readonly path: string;
  /** Whether a request to a path of no dialect, or of several, comes from a client of this one. */
  speaks(headers: IncomingHttpHeaders): boolean;
  /** Throws a refusal that names the parameter. */
  read(body: unknown, rules: CallRules): TurnRequest;
  /** What `GET /models` lists. */
  readonly models: object;
  refuse(refusal: HttpRefusal): DialectRefusal;
}

/** What the recipe says of calls. */
export type CallRules = Pick<AgentOptions, 'sampling' | 'thinking'>;

export interface TurnRequest {
  readonly call: AgentCall;
  /** The field that holds what was said so far. */
  readonly field: string;
  /** As server-sent events. */
  readonly stream: boolean;
  whole(reply: AgentReply, about: AboutReply): object;
  /** The same as events of a stream: a turn is whole before it is told. */
  events(reply: AgentReply, about: AboutReply): string;
}

export interface AboutReply {
  readonly sessionId: string;
  /** Seconds since 1970. */
  readonly created: number;
}

export interface DialectRefusal {
  readonly status: number;
  readonly body: object;
}
