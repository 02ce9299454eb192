/** The little of HTTP/2 (RFC 9113) and HPACK (RFC 7541) that a unary gRPC call needs. */

export const frameTypes = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flags = { endStream: 1, ack: 1, endHeaders: 4, padded: 8 } as const;
const largestWindow = 2 ** 31 - 1;
const headerBytes = 9;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function encodeFrame(type: number, frameFlags: number, streamId: number, payload: Uint8Array): Buffer {
  const frame = Buffer.alloc(headerBytes + payload.length);
  frame.writeUIntBE(payload.length, 0, 3);
  frame[3] = type;
  frame[4] = frameFlags;
  frame.writeUInt32BE(streamId, 5);
  frame.set(payload, headerBytes);
  return frame;
}

/** A client's first bytes: no push, no header compression by tables, windows so large that nobody waits for them. */
export function clientPreface(): Buffer {
  const settings = Buffer.alloc(18);
  const set = (index: number, id: number, value: number): void => {
    settings.writeUInt16BE(id, index * 6);
    settings.writeUInt32BE(value, index * 6 + 2);
  };
  set(0, 1, 0);
  set(1, 2, 0);
  set(2, 4, largestWindow);
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    encodeFrame(frameTypes.settings, 0, 0, settings),
    windowUpdate(largestWindow - 65_535),
  ]);
}

/** Of the whole connection. */
export function windowUpdate(increment: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(increment);
  return encodeFrame(frameTypes.windowUpdate, 0, 0, payload);
}

/** Literals without indexing and without Huffman's code: the same bytes for every call. Values below 127 bytes. */
export function grpcRequestHeaders(path: string, authority: string, timeoutSeconds: number): Buffer {
  const text = (value: string): Buffer => {
    if (value.length > 126) throw new RangeError(`header value of ${value.length} bytes: at most 126`);
    return Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);
  };
  const named = (name: string, value: string): Buffer => Buffer.concat([Buffer.from([0]), text(name), text(value)]);
  return Buffer.concat([
    Buffer.from([0x83, 0x86]), // :method POST, :scheme http
    Buffer.from([0x04]),
    text(path),
    Buffer.from([0x01]),
    text(authority),
    named('content-type', 'application/grpc'),
    named('te', 'trailers'),
    named('grpc-timeout', `${timeoutSeconds}S`),
  ]);
}

/** Takes bytes as they come, and gives whole frames. */
export function createFrameReader(onFrame: (frame: Frame) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (data.length - at >= headerBytes) {
      const end = at + headerBytes + data.readUIntBE(at, 3);
      if (end > data.length) break;
      onFrame({
        type: data.readUInt8(at + 3),
        flags: data.readUInt8(at + 4),
        streamId: data.readUInt32BE(at + 5) & largestWindow,
        payload: data.subarray(at + headerBytes, end),
      });
      at = end;
    }
    rest = data.subarray(at);
  };
}
