/** A model server behind a proxy, over chat completions: `node upstream-process.ts TURNS LEAST..MOST`. Prints its URL as one JSON line. */
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { answerText, delayMs, lookupCall, parseRange } from './delays.ts';

const body = z.object({ messages: z.array(z.object({ role: z.string() })) });
const [turns = '', range = ''] = process.argv.slice(2);
const delays = parseRange(range);

const server = createServer((request, response) => {
  void (async () => {
    const { messages } = body.parse(await json(request));
    const turn = messages.filter(({ role }) => role === 'assistant').length;
    const took = delayMs(request.url ?? '', turn, delays);
    await sleep(took);
    const called = turn < Number(turns) - 1;
    const message = {
      role: 'assistant',
      content: called ? null : answerText(took),
      ...(called && { tool_calls: [{ id: `call_${turn}`, type: 'function', function: lookupCall(turn, took) }] }),
    };
    const completion = {
      id: 'chatcmpl-0',
      object: 'chat.completion',
      created: 0,
      model: 'policy',
      choices: [{ index: 0, message, finish_reason: called ? 'tool_calls' : 'stop' }],
      usage: { prompt_tokens: 100, completion_tokens: 30, total_tokens: 130 },
    };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(completion));
  })();
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', 4096, () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  process.stdout.write(`${JSON.stringify({ http: `http://127.0.0.1:${port}` })}\n`);
});
