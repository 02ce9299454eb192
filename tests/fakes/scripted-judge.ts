import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { z } from 'zod';
import { sleep } from '#shared/async/sleep.ts';
import { createRandom } from '#shared/domain/random.ts';

/** How a call goes wrong. `garbage` is a reply that says nothing; `malformed` is no reply of the API at all. */
export type JudgeFault = 'server_error' | 'rate_limited' | 'hang' | 'cut' | 'garbage' | 'malformed';

/** The text of a reply, or the name of a fault. */
export type ScriptedReply =
  | string
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body: string };

export interface JudgeRequest {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly temperature: number;
  readonly max_tokens: number;
  readonly response_format?: unknown;
}

export interface ScriptedJudgeOptions {
  readonly seed?: string;
  /** What it says; by default it judges by the quality that each text carries as `quality=NUMBER`. */
  readonly script?: (request: JudgeRequest, call: number) => ScriptedReply | Promise<ScriptedReply>;
  /** Share of calls that go wrong, spread evenly over `faults`. */
  readonly faultRatio?: number;
  readonly faults?: readonly JudgeFault[];
  /** Of a 429, in seconds. */
  readonly retryAfter?: string;
  /** Median and spread (log-normal) of the time to answer. */
  readonly latencyMs?: { readonly median: number; readonly sigma: number };
  /** Of a comparison: the difference in quality at which the better one wins 73 % of the time. 0: never errs. */
  readonly noise?: number;
  /** Log-odds in favour of what is shown first. */
  readonly positionBias?: number;
  /** Differences in quality up to this are a tie. */
  readonly tieBand?: number;
}

const faultNames: ReadonlySet<string> = new Set<JudgeFault>([
  'server_error',
  'rate_limited',
  'hang',
  'cut',
  'garbage',
  'malformed',
]);

const requestSchema = z.looseObject({
  model: z.string(),
  messages: z.array(z.looseObject({ role: z.string(), content: z.string() })),
  temperature: z.number(),
  max_tokens: z.number(),
});

/** A judge whose order of quality is known: a real HTTP server that speaks the chat completions API, with noise and faults. */
export async function startScriptedJudge(options: ScriptedJudgeOptions = {}) {
  const { seed = 'judge', faultRatio = 0, faults = ['server_error'], retryAfter = '0' } = options;
  const faultDraw = createRandom(seed, 'faults');
  const latencyDraw = createRandom(seed, 'latency');
  const requests: { readonly request: JudgeRequest; readonly headers: IncomingMessage['headers'] }[] = [];
  /** What it said, by the id of the reply. */
  const replies = new Map<string, string>();
  const faulted = new Map<string, number>();
  let running = 0;
  let maxRunning = 0;

  const server = createServer((incoming, response) => {
    running += 1;
    maxRunning = Math.max(maxRunning, running);
    let over = false;
    const end = (): void => {
      if (!over) running -= 1;
      over = true;
    };
    // Handed over in full, or cut off.
    response.once('finish', end).once('close', end);
    // A caller that went away is no failure of the judge.
    handle(incoming, response).catch(() => response.destroy());
  });

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = requestSchema.parse(JSON.parse(await readText(incoming)));
    const call = requests.push({ request, headers: incoming.headers });
    const failing = uniform(faultDraw) < faultRatio ? faults[faultDraw(faults.length)] : undefined;
    if (options.latencyMs !== undefined) await sleep(latencyOf(options.latencyMs));
    const said = failing ?? (await (options.script ?? scriptByQuality(options))(request, call));
    const id = `reply-${call}`;
    if (typeof said === 'string' && faultNames.has(said)) faulted.set(said, (faulted.get(said) ?? 0) + 1);
    switch (said) {
      case 'hang':
        return;
      case 'cut':
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
        response.write('{"id":', () => response.destroy());
        return;
      case 'server_error':
        send(response, 503, 'overloaded');
        return;
      case 'rate_limited':
        send(response, 429, 'slow down', { 'retry-after': retryAfter });
        return;
      case 'malformed':
        send(response, 200, '<html>the gateway is unwell</html>');
        return;
      case 'garbage':
        reply(response, id, 'I would rather not say.');
        return;
    }
    if (typeof said === 'string') reply(response, id, said);
    else send(response, said.status, said.body, said.headers);
  }

  function reply(response: ServerResponse, id: string, content: string): void {
    replies.set(id, content);
    const usage = { prompt_tokens: 100, completion_tokens: 10 };
    send(response, 200, JSON.stringify({ id, choices: [{ message: { role: 'assistant', content } }], usage }));
  }

  function latencyOf({ median, sigma }: { readonly median: number; readonly sigma: number }): number {
    // Box and Muller.
    const normal = Math.sqrt(-2 * Math.log(1 - uniform(latencyDraw))) * Math.cos(2 * Math.PI * uniform(latencyDraw));
    return median * Math.exp(sigma * normal);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    replies,
    faulted,
    get running() {
      return running;
    },
    get maxRunning() {
      return maxRunning;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export type ScriptedJudge = Awaited<ReturnType<typeof startScriptedJudge>>;

function send(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
}

function uniform(random: (bound: number) => number): number {
  return random(2 ** 32) / 2 ** 32;
}

/** The texts that a prompt shows, in order, by name. */
export function shownTexts(request: JudgeRequest): { readonly name: string; readonly text: string }[] {
  const asked = request.messages.find(({ role }) => role === 'user')?.content ?? '';
  return [...asked.matchAll(/<<<(\S+) ([0-9a-f]{12})\n([\s\S]*?)\n\2>>>/g)].map(([, name = '', , text = '']) => ({
    name,
    text,
  }));
}

/** The same question gets the same answer, as at temperature 0; the other order is another question. */
function scriptByQuality({ seed = 'judge', noise = 0, positionBias = 0, tieBand = 0 }: ScriptedJudgeOptions) {
  return (request: JudgeRequest): string => {
    const shown = shownTexts(request).filter(({ name }) => name !== 'QUESTION' && name !== 'REFERENCE');
    const draw = createRandom(seed, JSON.stringify(request.messages));
    const qualities = shown.map(({ text }) => Number(/quality=(-?[\d.]+)/.exec(text)?.[1] ?? 0));
    const [first = 0, second = 0] = qualities;
    const task = request.messages[0]?.content ?? '';
    if (task.startsWith('You grade')) return `${first >= 0.5 ? 'A' : 'B'}: this is my grade.`;
    if (task.startsWith('You compare')) {
      if (Math.abs(first - second) <= tieBand) return '{"verdict": "TIE"}';
      if (noise === 0 && positionBias === 0) return JSON.stringify({ verdict: first > second ? 'A' : 'B' });
      const odds = (noise === 0 ? Math.sign(first - second) * 40 : (first - second) / noise) + positionBias;
      return JSON.stringify({ verdict: uniform(draw) < 1 / (1 + Math.exp(-odds)) ? 'A' : 'B' });
    }
    if (task.startsWith('You rank')) {
      const count = qualities.length;
      // Gumbel noise makes each pair come out as a comparison of the same noise would.
      const felt = qualities.map((quality, place) => {
        const gumbel = -Math.log(-Math.log((draw(2 ** 32) + 1) / (2 ** 32 + 2)));
        return quality + noise * (gumbel + positionBias * (1 - place / count));
      });
      const ranking = felt.map((_, place) => place + 1).sort((a, b) => (felt[b - 1] ?? 0) - (felt[a - 1] ?? 0));
      return JSON.stringify({ ranking });
    }
    const names = [...task.matchAll(/^- (\w+):/gm), ...(request.messages[1]?.content ?? '').matchAll(/^- (\w+):/gm)];
    return JSON.stringify(Object.fromEntries(names.map(([, name = '']) => [name, Math.min(1, Math.max(0, first))])));
  };
}
