/** HTTP/1.1 with keep-alive over one bare socket, one call at a time: what a client library keeps for one thread. */
import { connect, type Socket } from 'node:net';
import type { Connection, Reply } from './connection.ts';
import { createResponseReader } from './http-response.ts';

export function encodeHttpCall(path: string, authority: string, body: string): Buffer {
  const bytes = Buffer.from(body);
  const head = `POST ${path} HTTP/1.1\r\nhost: ${authority}\r\ncontent-type: application/json\r\ncontent-length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
}

export function createHttpConnection(host: string, port: number): Connection {
  let socket: Socket | undefined;
  let underWay: { readonly onReply: (reply: Reply) => void; readonly startedAt: number } | undefined;

  function finish(reply: Reply): void {
    const call = underWay;
    underWay = undefined;
    call?.onReply(reply);
  }

  function drop(dropped: Socket, reason: string): void {
    if (socket !== dropped) return;
    socket = undefined;
    dropped.destroy();
    finish({ kind: 'failed', reason });
  }

  function open(): Socket {
    const fresh = connect({ host, port, noDelay: true });
    const read = createResponseReader(({ status, body, closes }) => {
      if (closes) {
        socket = undefined;
        fresh.end();
      }
      finish(status === 200 ? { kind: 'answer', body } : { kind: 'failed', reason: `http status ${status}` });
    });
    fresh.on('data', (chunk) => {
      if (socket !== fresh) return;
      try {
        read(chunk);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        drop(fresh, error.message);
      }
    });
    fresh.on('error', (error: NodeJS.ErrnoException) => drop(fresh, error.code ?? 'socket error'));
    fresh.on('close', () => drop(fresh, 'connection closed'));
    return fresh;
  }

  return {
    call(request, onReply) {
      if (underWay !== undefined) throw new Error('an HTTP connection carries one call at a time');
      underWay = { onReply, startedAt: performance.now() };
      socket ??= open();
      socket.write(request);
    },
    expire(before) {
      if (underWay !== undefined && underWay.startedAt < before && socket !== undefined)
        drop(socket, 'no answer in time');
    },
    close() {
      socket?.destroy();
    },
  };
}
