import { Transform } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';

type Message = Parameters<NonNullable<StdioServerTransport['onmessage']>>[0];

export interface AnsweringTransport {
  readonly transport: StdioServerTransport;
  /** To be called once a server listens to the transport: counts what it is asked from then on. */
  countRequests(): void;
  /** Ends when the input has ended and everything in it is answered. */
  readonly input: Transform;
}

/**
 * Standard input and output as MCP speaks over them, for requests that a shell pipes in: the end of the input reaches the server
 * only after the last answer has been written. The library's own transport drops what is unanswered then.
 */
export function createAnsweringTransport(): AnsweringTransport {
  const asked = new Set<string | number>();
  let onAnswered = Promise.withResolvers<void>();
  const input = new Transform({
    transform: (chunk, _encoding, done) => done(null, chunk),
    flush(done) {
      const answered = async (): Promise<void> => {
        // What was read is with the server only after it has left the buffer.
        while (input.readableLength > 0) await nextTurn();
        while (asked.size > 0) await onAnswered.promise;
      };
      void answered().then(() => done(), done);
    },
  });
  process.stdin.once('error', (error) => input.destroy(error)).pipe(input);
  const transport = new StdioServerTransport(input, process.stdout);
  const send = transport.send.bind(transport);
  const settle = (id: string | number | undefined): void => {
    if (id !== undefined) asked.delete(id);
    onAnswered.resolve();
    onAnswered = Promise.withResolvers();
  };
  transport.send = async (message: Message) => {
    try {
      await send(message);
    } finally {
      if (!('method' in message)) settle(message.id);
    }
  };
  return {
    transport,
    input,
    countRequests() {
      const listen = transport.onmessage;
      const onmessage = (message: Message): void => {
        if ('method' in message && 'id' in message) asked.add(message.id);
        // A request that is cancelled is not answered.
        if ('method' in message && message.method === 'notifications/cancelled') settle(cancelledId(message.params));
        listen?.(message);
      };
      Object.assign(transport, { onmessage });
    },
  };
}

function cancelledId(params: unknown): string | number | undefined {
  if (typeof params !== 'object' || params === null || !('requestId' in params)) return undefined;
  const { requestId } = params;
  return typeof requestId === 'string' || typeof requestId === 'number' ? requestId : undefined;
}
