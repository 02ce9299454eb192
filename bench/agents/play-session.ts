import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';

const completion = z.object({
  choices: z.tuple([
    z.object({
      message: z.looseObject({
        content: z.string().nullable(),
        tool_calls: z
          .array(z.object({ id: z.string(), function: z.object({ name: z.string(), arguments: z.string() }) }).loose())
          .optional(),
      }),
    }),
  ]),
});

/** What the calls of a system took, beyond what its model says that it took, and what went wrong. */
export interface Calls {
  readonly overheadsMs: number[];
  readonly errors: string[];
}

export const createCalls = (): Calls => ({ overheadsMs: [], errors: [] });

const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
/** Some of what a search gives. */
const page = 'Halvard Brontley was born in Ostwick Marrow, a town in Verland Coast. '.repeat(5);
const parameters = { type: 'object', properties: { page: { type: 'string' } }, required: ['page'] };
const tools = [{ type: 'function', function: { name: 'lookup', description: 'Shows a page.', parameters } }];

/** An agent of one tool over bare HTTP, until the model calls none. Each call sends all messages so far. */
export async function playSession(baseUrl: string, key: string, calls: Calls): Promise<void> {
  const messages: object[] = [
    { role: 'system', content: 'Answer the question. Look pages up with the tool.' },
    { role: 'user', content: 'What is the country of the birthplace of Halvard Brontley?' },
  ];
  for (;;) {
    const started = performance.now();
    const { status, body } = await post(`${baseUrl}/chat/completions`, key, { model: 'any', messages, tools }).catch(
      (thrown: unknown) => ({ status: 0, body: String(thrown) }),
    );
    const elapsedMs = performance.now() - started;
    if (status !== 200) return void calls.errors.push(`${status}: ${body.slice(0, 200)}`);
    const [{ message }] = completion.parse(JSON.parse(body)).choices;
    const [called] = message.tool_calls ?? [];
    const said = called?.function.arguments ?? message.content ?? '';
    const tookMs = Number(/(?<="took": ?)\d+|(?<=took )\d+/.exec(said)?.[0]);
    calls.overheadsMs.push(elapsedMs - tookMs);
    if (called === undefined) return;
    messages.push(message, { role: 'tool', tool_call_id: called.id, content: page });
  }
}

export async function post(
  url: string,
  key: string,
  body: object,
): Promise<{ readonly status: number; readonly body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const sent = request(
    url,
    { method: 'POST', agent, headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` } },
    (response) => {
      text(response).then((whole) => resolve({ status: response.statusCode ?? 0, body: whole }), reject);
    },
  );
  sent.once('error', reject);
  sent.end(JSON.stringify(body));
  return await promise;
}
