import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { TransientError } from '#platform/errors.ts';

/** MCP over streamable HTTP with answers of at most `maxBytes`. */
export function createHttpTransport(
  url: string,
  { maxBytes, bearer }: { readonly maxBytes: number; readonly bearer: string | undefined },
): StreamableHTTPClientTransport {
  return new StreamableHTTPClientTransport(new URL(url), {
    ...(bearer !== undefined && { requestInit: { headers: { authorization: `Bearer ${bearer}` } } }),
    fetch: async (input, init) => {
      // The stream on which a server speaks unasked: nothing of it is used here.
      if (init?.method === 'GET') return new Response(null, { status: 405 });
      const response = await fetch(input, init);
      if (response.body === null) return response;
      const { status, statusText, headers } = response;
      return new Response(response.body.pipeThrough(atMost(maxBytes)), { status, statusText, headers });
    },
  });
}

function atMost(maxBytes: number): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length;
      if (bytes <= maxBytes) controller.enqueue(chunk);
      else
        controller.error(
          new TransientError(
            'unavailable',
            `it sent a message of more than max_message_mebibytes (${maxBytes / 2 ** 20})`,
          ),
        );
    },
  });
}
