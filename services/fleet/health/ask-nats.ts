import { createConnection, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { TransientError } from '#platform/errors.ts';
import { nameOfRole } from '#platform/security/roles.ts';
import type { TlsMaterial } from '#platform/security/tls-material.ts';

/** The answer comes to this subject. */
const inbox = '_INBOX.gradus.supervision';
/** What a client says first, then a question to JetStream (https://docs.nats.io/reference/reference-protocols/nats-protocol). */
const question = [
  'CONNECT {"verbose":false,"pedantic":false,"lang":"node","version":"1","name":"gradus-supervision","headers":true,"no_responders":true}',
  `SUB ${inbox} 1`,
  `PUB $JS.API.INFO ${inbox} 0`,
  '',
  '',
].join('\r\n');
/** An answer without content, with a status as its header: nobody is there to answer. */
const nobody = /\r\nHMSG [^\r\n]*\r\nNATS\/1\.0 503/;
const answer = /\r\nH?MSG /;
/** The greeting is a kilobyte, the answer a few hundred bytes. */
const mostCharacters = 64 * 1024;

/**
 * Asks a NATS server all the way: a new connection needs its greeting (INFO), and then JetStream has to answer over it. A
 * server whose store broke down still greets. TransientError names what did not answer.
 *
 * Written on a socket: the client library keeps one whose greeting never came, with nobody to close it. `tls`: for a server
 * that wants certificates; its greeting is in the clear, all else is not.
 */
export function askNats(address: string, timeoutMs: number, tls?: TlsMaterial): Promise<void> {
  const colon = address.lastIndexOf(':');
  let socket: Socket = createConnection({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
  socket.setEncoding('latin1');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (what: string, cause?: Error): void => reject(new TransientError('unavailable', what, { cause }));
  let text = '';
  const silence = (): string =>
    text === ''
      ? `NATS at ${address} accepts the connection and sends no INFO line`
      : `JetStream at ${address} does not answer`;
  const deadline = setTimeout(() => fail(silence()), timeoutMs);
  const hear = (data: string | Buffer): void => {
    if (text === '') greet();
    text = (text + data.toString()).slice(-mostCharacters);
    if (nobody.test(text)) fail(`JetStream at ${address} is switched off: the server has given up its store`);
    else if (answer.test(text)) resolve();
  };
  const listen = (): void => {
    socket.on('data', hear);
    socket.once('error', (error) => fail(`NATS at ${address} cannot be reached: ${error.message}`, error));
    socket.once('close', () => fail(`NATS at ${address} closed the connection`));
  };
  function greet(): void {
    if (tls !== undefined) {
      socket.removeAllListeners('data');
      socket = connectTls({ socket, ...tls.pems, servername: nameOfRole('nats') });
      socket.setEncoding('latin1');
      listen();
    }
    socket.write(question);
  }
  listen();
  return promise.finally(() => {
    clearTimeout(deadline);
    socket.destroy();
  });
}
