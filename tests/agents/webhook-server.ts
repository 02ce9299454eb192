import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { z } from 'zod';

/** What a webhook gets of an episode. */
const init = z.strictObject({
  rollout_id: z.string(),
  attempt: z.number(),
  session_id: z.string(),
  session_url: z.url(),
  base_url: z.url(),
  api_key: z.string(),
  model: z.string(),
  row: z.strictObject({ id: z.string(), data: z.looseObject({}), tags: z.looseObject({}) }),
  seed: z.string(),
  deadline: z.iso.datetime(),
});
export type Init = z.output<typeof init>;

export interface WebhookCall {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly init: Init | undefined;
}

type Answer = (call: WebhookCall, response: ServerResponse) => void;

/** A server with agents, which answers each call as `answer` says; ends with the test. */
export async function startWebhook(answer: Answer) {
  const calls: WebhookCall[] = [];
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request;
    const call = { method, path, headers, init: method === 'POST' ? init.parse(await json(request)) : undefined };
    calls.push(call);
    answer(call, response);
  }
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls: calls as readonly WebhookCall[] };
}

export function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

type SessionOf = Pick<Init, 'base_url' | 'api_key' | 'session_url'>;

export async function post(url: string, key: string, body?: object): Promise<{ status: number; json: unknown }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

/** One question of an agent. */
export async function ask({ base_url: url, api_key: key }: SessionOf, content = 'Who?') {
  return await post(`${url}/chat/completions`, key, { model: 'any', messages: [{ role: 'user', content }] });
}

export async function report({ session_url: url, api_key: key }: SessionOf, what: 'result' | 'rewards', body: object) {
  return await post(`${url}/${what}`, key, body);
}
