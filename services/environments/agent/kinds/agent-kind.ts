import type { FastifyInstance } from 'fastify';
import type { EpisodeRow, StartIo } from '../../kit/environment.ts';
import type { OpenSession } from '../face/start-face.ts';
import type { AgentEnd } from '../reports/agent-result.ts';
import type { SessionReports } from '../reports/session-reports.ts';

/** How an agent comes to its session: a program, a server that gets each episode, a client that opens one. */
export interface AgentKind {
  /** Routes of the face by which agents come. */
  addRoutes?(app: FastifyInstance): void;
  /** Says that it has begun, not that it has asked. Throws UserCodeError for its own fault, `TransientError` where what it stands on failed. */
  start(row: EpisodeRow, io: StartIo, at: AgentSession): Promise<RunningAgent>;
}

/** Where the agent speaks with the policy, and reports how it ended. */
export interface AgentSession extends OpenSession {
  readonly reports: SessionReports;
}

export interface RunningAgent {
  /** Resolves when it ended by itself. Rejects as `start` does. */
  readonly ended: Promise<AgentEnd>;
  /** Nobody may ever say that it ended: once it has asked, a silence as long as a tool's time means that. */
  readonly endsInSilence?: boolean;
  /** Ends it unless it has ended; resolves when nothing of it is left here. */
  stop(): Promise<void>;
}
