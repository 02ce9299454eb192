import type { FastifyInstance, FastifyRequest } from 'fastify';
import { TransientError } from '#platform/errors.ts';
import { longestBodyBytes, type HttpCalls } from './http-calls.ts';

/** Of all bodies that are being received or worked on. Bodies are a few hundred bytes, a trainer's batch a few hundred thousand. */
const mostBodyBytes = 512 * 1024 * 1024;

/** Refuses requests while the bodies of those under way fill the budget: thousands may connect, each with 16 MiB. */
export function limitBodies(app: FastifyInstance, calls: HttpCalls): void {
  let held = 0;
  app.addHook('onRequest', (request, reply, done) => {
    const bytes = announcedBytes(request);
    if (bytes === 0) return done();
    if (held + bytes > mostBodyBytes) {
      const message = `the bodies of the requests under way are ${held} bytes long; at most ${mostBodyBytes} are held`;
      calls.refuse(reply, new TransientError('resource_exhausted', message, { retryAfterMs: 1_000 }));
      return;
    }
    held += bytes;
    reply.raw.once('close', () => (held -= bytes));
    done();
  });
}

/** A body of unknown length counts as the longest that is read. */
function announcedBytes({ headers }: FastifyRequest): number {
  if (headers['transfer-encoding'] !== undefined) return longestBodyBytes;
  // The parser of HTTP has refused what is not a number.
  return Math.min(Number(headers['content-length'] ?? 0), longestBodyBytes);
}
