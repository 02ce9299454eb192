import type { FastifyInstance } from 'fastify';
import type { FindSession } from '../face/start-face.ts';
import type { SessionReports } from './session-reports.ts';

/** The reports of the sessions that are open, by their ids. */
export type OpenReports = Map<string, SessionReports>;

/** `POST /sessions/<id>/result` and `/rewards`, with the session's key. */
export function addReportRoutes(app: FastifyInstance, sessionOf: FindSession, open: OpenReports): void {
  app.post('/sessions/:id/result', (request, reply) => {
    open.get(sessionOf(request).id)?.takeResult(request.body);
    return reply.code(204).send();
  });
  app.post('/sessions/:id/rewards', (request, reply) => {
    open.get(sessionOf(request).id)?.takeRewards(request.body);
    return reply.code(204).send();
  });
}
