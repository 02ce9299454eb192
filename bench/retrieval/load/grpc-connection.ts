/**
 * Unary gRPC calls over one bare socket: a tenth of a client library's cost a call, so that on a small machine the load
 * generator takes little from the service that it measures.
 */
import { connect, type Socket } from 'node:net';
import type { Connection, Reply } from './connection.ts';
import { grpcStatusOf } from './grpc-status.ts';
import {
  clientPreface,
  createFrameReader,
  encodeFrame,
  flags,
  frameTypes,
  grpcRequestHeaders,
  windowUpdate,
  type Frame,
} from './http2-frames.ts';

interface Call {
  readonly onReply: (reply: Reply) => void;
  readonly startedAt: number;
  readonly request: Buffer;
  chunks: Buffer[];
}

const prefixBytes = 5;
/** Our window towards the server is filled up again after this many bytes. */
const replenishBytes = 2 ** 28;

/** The two frames of a call; the stream's id is filled in when it is sent. */
export function encodeGrpcCall(path: string, authority: string, timeoutSeconds: number, message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([
    encodeFrame(frameTypes.headers, flags.endHeaders, 0, grpcRequestHeaders(path, authority, timeoutSeconds)),
    encodeFrame(frameTypes.data, flags.endStream, 0, Buffer.concat([prefix, message])),
  ]);
}

export function createGrpcConnection(host: string, port: number): Connection {
  let socket: Socket | undefined;
  let ready = false;
  let nextStream = 1;
  let sendWindow = 65_535;
  let received = 0;
  const calls = new Map<number, Call>();
  const waiting: Call[] = [];

  function finish(streamId: number, reply: Reply): void {
    const call = calls.get(streamId);
    calls.delete(streamId);
    call?.onReply(reply);
  }

  function failAll(reason: string): void {
    const failed = [...calls.values(), ...waiting];
    calls.clear();
    waiting.length = 0;
    for (const { onReply } of failed) onReply({ kind: 'failed', reason });
  }

  function open(): void {
    const fresh = connect({ host, port, noDelay: true });
    socket = fresh;
    ready = false;
    nextStream = 1;
    sendWindow = 65_535;
    received = 0;
    fresh.write(clientPreface());
    fresh.on('data', createFrameReader(onFrame));
    fresh.on('error', (error: NodeJS.ErrnoException) => drop(fresh, error.code ?? 'socket error'));
    fresh.on('close', () => drop(fresh, 'connection closed'));
  }

  function drop(dropped: Socket, reason: string): void {
    if (socket !== dropped) return;
    socket = undefined;
    dropped.destroy();
    failAll(reason);
  }

  function onFrame({ type, flags: frameFlags, streamId, payload }: Frame): void {
    switch (type) {
      case frameTypes.data: {
        received += payload.length;
        if (received >= replenishBytes) {
          socket?.write(windowUpdate(received));
          received = 0;
        }
        if ((frameFlags & flags.padded) !== 0) finish(streamId, { kind: 'failed', reason: 'padded frame' });
        else calls.get(streamId)?.chunks.push(payload);
        break;
      }
      case frameTypes.headers:
        if ((frameFlags & flags.endStream) !== 0) finish(streamId, replyOf(payload, calls.get(streamId)?.chunks ?? []));
        break;
      case frameTypes.resetStream:
        finish(streamId, { kind: 'failed', reason: `stream reset ${payload.readUInt32BE(0)}` });
        break;
      case frameTypes.settings:
        if ((frameFlags & flags.ack) !== 0) break;
        socket?.write(encodeFrame(frameTypes.settings, flags.ack, 0, Buffer.alloc(0)));
        ready = true;
        sendWaiting();
        break;
      case frameTypes.ping:
        if ((frameFlags & flags.ack) === 0) socket?.write(encodeFrame(frameTypes.ping, flags.ack, 0, payload));
        break;
      case frameTypes.goAway:
        if (socket !== undefined) drop(socket, 'server goes away');
        break;
      case frameTypes.windowUpdate:
        if (streamId === 0) sendWindow += payload.readUInt32BE(0);
        sendWaiting();
        break;
    }
  }

  function sendWaiting(): void {
    if (!ready || socket === undefined) return;
    while (waiting[0] !== undefined && waiting[0].request.length <= sendWindow) {
      const call = waiting.shift();
      if (call !== undefined) send(socket, call);
    }
  }

  function send(to: Socket, call: Call): void {
    const streamId = nextStream;
    nextStream += 2;
    const bytes = Buffer.from(call.request);
    const dataAt = 9 + bytes.readUIntBE(0, 3);
    bytes.writeUInt32BE(streamId, 5);
    bytes.writeUInt32BE(streamId, dataAt + 5);
    sendWindow -= bytes.length - dataAt - 9;
    calls.set(streamId, call);
    if (to.writableCorked === 0) {
      to.cork();
      process.nextTick(() => to.uncork());
    }
    to.write(bytes);
  }

  return {
    call(request, onReply) {
      waiting.push({ request, onReply, startedAt: performance.now(), chunks: [] });
      if (socket === undefined) open();
      else sendWaiting();
    },
    expire(before) {
      for (const [streamId, call] of calls) {
        if (call.startedAt < before) finish(streamId, { kind: 'failed', reason: 'no answer in time' });
      }
      while (waiting[0] !== undefined && waiting[0].startedAt < before) {
        waiting.shift()?.onReply({ kind: 'failed', reason: 'not sent in time' });
      }
    },
    close() {
      socket?.destroy();
    },
  };
}

function replyOf(trailers: Buffer, chunks: readonly Buffer[]): Reply {
  const status = grpcStatusOf(trailers);
  if (status !== 0) return { kind: 'failed', reason: `grpc status ${status ?? 'unknown'}` };
  const [first, ...others] = chunks;
  const data = first !== undefined && others.length === 0 ? first : Buffer.concat(chunks);
  if (data.length < prefixBytes || data.readUInt32BE(1) !== data.length - prefixBytes) {
    return { kind: 'failed', reason: 'cut answer' };
  }
  return { kind: 'answer', body: data.subarray(prefixBytes) };
}
