import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';

export interface Connection {
  /** One text message. */
  send(text: string): void;
  /** The connection ends without a word. */
  drop(): void;
}

/**
 * A WebSocket server that says whatever a test wants, as no server of `openenv` would. It reads frames of less than 64 KiB.
 * `answer` is called with each message, and once with undefined when a client has connected.
 */
export async function startServerUnderTest(
  answer: (message: { readonly type: string; readonly data?: unknown } | undefined, connection: Connection) => void,
) {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let read: Buffer = Buffer.alloc(0);
    let open = false;
    const connection: Connection = {
      send: (text) => void socket.write(frameOf(Buffer.from(text))),
      drop: () => void socket.destroy(),
    };
    socket.on('data', (chunk) => {
      read = Buffer.concat([read, chunk]);
      if (!open) {
        const head = read.indexOf('\r\n\r\n');
        if (head < 0) return;
        const key = /sec-websocket-key: *(\S+)/i.exec(read.subarray(0, head).toString('latin1'))?.[1] ?? '';
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        );
        open = true;
        connections += 1;
        read = read.subarray(head + 4);
        answer(undefined, connection);
      }
      for (let frame = nextFrame(read); frame !== undefined; frame = nextFrame(read)) {
        read = frame.rest;
        if (frame.opcode === 1) answer(JSON.parse(frame.payload.toString('utf8')) as { type: string }, connection);
        if (frame.opcode === 8) socket.end(Buffer.from([0x88, 0x02, 0x03, 0xe8]));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port');
  return {
    url: `ws://127.0.0.1:${address.port}`,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function frameOf(payload: Buffer): Buffer {
  const head = Buffer.alloc(payload.length < 126 ? 2 : 10);
  head[0] = 0x81;
  if (payload.length < 126) head[1] = payload.length;
  else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  return Buffer.concat([head, payload]);
}

function nextFrame(read: Buffer): { opcode: number; payload: Buffer; rest: Buffer } | undefined {
  if (read.length < 6) return undefined;
  const short = read.readUInt8(1) & 127;
  const head = short === 126 ? 4 : 2;
  const length = short === 126 ? read.readUInt16BE(2) : short;
  const end = head + 4 + length;
  if (read.length < end) return undefined;
  const mask = read.subarray(head, head + 4);
  const payload = Buffer.from(read.subarray(head + 4, end).map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
  return { opcode: read.readUInt8(0) & 15, payload, rest: read.subarray(end) };
}
