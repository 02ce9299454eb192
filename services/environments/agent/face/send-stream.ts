import { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';

export interface Answer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | object;
}

/** Readers of event streams skip it. */
const keepAlive = ': the model is waited for\n\n';

/**
 * Sends a turn as server-sent events. Where it takes longer than `keepAliveMs` the stream begins at once, so that nobody between gives it up;
 * what fails then is its last event, which `refused` writes. What fails before that is thrown.
 */
export async function sendStream(
  reply: FastifyReply,
  turn: Promise<Answer>,
  keepAliveMs: number,
  refused: (thrown: unknown) => string,
): Promise<FastifyReply> {
  reply.header('content-type', 'text/event-stream; charset=utf-8').header('cache-control', 'no-cache');
  const waits = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => waits.resolve(undefined), keepAliveMs);
  let soon: Answer | undefined;
  try {
    soon = await Promise.race([turn, waits.promise]);
  } catch (thrown) {
    reply.removeHeader('content-type').removeHeader('cache-control');
    throw thrown;
  } finally {
    clearTimeout(timer);
  }
  if (soon !== undefined) return reply.headers(soon.headers).send(soon.body);
  const stream = new PassThrough();
  stream.write(keepAlive);
  stream.on('close', () => clearInterval(interval));
  const interval = setInterval(() => stream.write(keepAlive), keepAliveMs);
  void turn
    .then(
      ({ headers, body }) => [commentOf(headers), body],
      (thrown: unknown) => ['', refused(thrown)],
    )
    .then(([comment, last]) => {
      clearInterval(interval);
      stream.write(comment);
      stream.end(last);
    });
  return reply.send(stream);
}

/** Headers for which it is too late. */
function commentOf(headers: Answer['headers']): string {
  const lines = Object.entries(headers).map(([name, value]) => `: ${name}: ${value}\n`);
  return `${lines.join('')}\n`;
}
