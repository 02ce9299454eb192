export interface HttpResponse {
  readonly status: number;
  readonly body: Buffer;
  readonly closes: boolean;
}

const endOfHead = Buffer.from('\r\n\r\n');

/**
 * Takes bytes as they come and gives whole HTTP/1.1 responses; throws RangeError on one whose length is not stated
 * (chunked), which no server here sends.
 */
export function createResponseReader(onResponse: (response: HttpResponse) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  /** Of head and body; 0 while the head is incomplete. */
  let needed = 0;
  let bodyAt = 0;
  let status = 0;
  let closes = false;

  function readHead(data: Buffer): boolean {
    const end = data.indexOf(endOfHead);
    if (end === -1) return false;
    const head = data.toString('latin1', 0, end);
    status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) throw new RangeError('no content-length');
    closes = /\r\nconnection: *close/i.test(head);
    bodyAt = end + endOfHead.length;
    needed = bodyAt + Number(length);
    return true;
  }

  return (chunk) => {
    chunks.push(chunk);
    bytes += chunk.length;
    while (bytes > 0) {
      if (needed === 0) {
        chunks = [chunks.length === 1 ? (chunks[0] ?? chunk) : Buffer.concat(chunks)];
        if (!readHead(chunks[0] ?? chunk)) return;
      }
      if (bytes < needed) return;
      const data = chunks.length === 1 ? (chunks[0] ?? chunk) : Buffer.concat(chunks);
      const response = { status, body: data.subarray(bodyAt, needed), closes };
      chunks = data.length === needed ? [] : [data.subarray(needed)];
      bytes -= needed;
      needed = 0;
      onResponse(response);
    }
  };
}
