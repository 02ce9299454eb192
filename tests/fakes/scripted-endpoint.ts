import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { z } from 'zod';

const requestSchema = z.looseObject({
  model: z.string(),
  messages: z.array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })).min(1),
  temperature: z.number().optional(),
  max_tokens: z.int().min(1).optional(),
  max_completion_tokens: z.int().min(1).optional(),
});
export type EndpointRequest = z.output<typeof requestSchema>;

/**
 * What a server does with a request: says a text; answers a status; never answers (`hang`); closes in the middle of the answer (`cut`);
 * answers what is not JSON (`garbage`), no choice (`no_choice`), a choice without text (`empty_choice`), or ten megabytes (`huge`).
 */
export type EndpointReply =
  | string
  | { readonly text: string; readonly finish: 'stop' | 'length' }
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body: string }
  | { readonly fault: 'hang' | 'cut' | 'garbage' | 'no_choice' | 'empty_choice' | 'huge' };

export interface EndpointCall {
  readonly request: EndpointRequest;
  readonly headers: IncomingMessage['headers'];
}

/** A server that speaks the chat completions API over real HTTP and says what the script says. */
export async function startScriptedEndpoint(script: (request: EndpointRequest, call: number) => EndpointReply) {
  const calls: EndpointCall[] = [];
  const server = createServer((incoming, response) => {
    // A caller that disconnected is not a failure of the server.
    handle(incoming, response).catch(() => response.destroy());
  });

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readText(incoming);
    if (incoming.url !== '/v1/chat/completions') return send(response, 404, { error: { message: 'Not Found' } });
    const request = requestSchema.parse(JSON.parse(body));
    const reply = script(request, calls.push({ request, headers: incoming.headers }));
    if (typeof reply === 'string') return send(response, 200, completion(request, reply, 'stop'));
    if ('text' in reply) return send(response, 200, completion(request, reply.text, reply.finish));
    if ('status' in reply) {
      response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers }).end(reply.body);
      return;
    }
    switch (reply.fault) {
      case 'hang':
        return;
      case 'cut':
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
        response.write('{"choices": [{"mess', () => response.destroy());
        return;
      case 'garbage':
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>the proxy is unwell</html>');
        return;
      case 'no_choice':
        return send(response, 200, { ...completion(request, '', 'stop'), choices: [] });
      case 'empty_choice':
        return send(response, 200, { ...completion(request, '', 'stop'), usage: { completion_tokens: 0 } });
      case 'huge':
        return send(response, 200, completion(request, 'x'.repeat(10_000_000), 'stop'));
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    calls,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type ScriptedEndpoint = Awaited<ReturnType<typeof startScriptedEndpoint>>;

function completion({ model }: EndpointRequest, content: string, finish: string): object {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    model,
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: finish }],
    usage: { prompt_tokens: 100, completion_tokens: 10 },
  };
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
