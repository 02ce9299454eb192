import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { sleep } from '#platform/async/sleep.ts';
import { createRandom } from '#platform/random.ts';
import { chatCompletion } from '../../services/scripted/judge/http/chat-completion.ts';
import { parseChatRequest, type ChatRequest } from '../../services/scripted/judge/http/chat-request.ts';
import { shownTexts as textsIn, type ShownText } from '../../services/scripted/judge/questions/read-question.ts';
import { createJudgeScript, type GradeAnswer } from '../../services/scripted/judge/script/judge-script.ts';

/** How a call goes wrong. `garbage` is a reply that says nothing; `malformed` is not a reply of the API at all. */
export type JudgeFault = 'server_error' | 'rate_limited' | 'hang' | 'cut' | 'garbage' | 'malformed';

/** The text of a reply, or the name of a fault. */
export type ScriptedReply =
  | string
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body: string };

export interface ScriptedJudgeOptions {
  readonly seed?: string;
  /** What it says; by default, and for undefined, it judges by the quality that each text carries as `quality=NUMBER`. */
  readonly script?: (
    request: ChatRequest,
    call: number,
  ) => ScriptedReply | undefined | Promise<ScriptedReply | undefined>;
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

/** What a text says of itself; 0 without. */
const qualityOf: GradeAnswer = (_, text) => Number(/quality=(-?[\d.]+)/.exec(text)?.[1] ?? 0);

/** The judge of services/scripted/judge with qualities or a script of the test, and with faults that a real one has at times. */
export async function startScriptedJudge(options: ScriptedJudgeOptions = {}) {
  const { seed = 'judge', faultRatio = 0, faults = ['server_error'], retryAfter = '0' } = options;
  const judge = createJudgeScript({
    grade: qualityOf,
    noise: options.noise ?? 0,
    positionBias: options.positionBias ?? 0,
    tieBand: options.tieBand ?? 0,
    seed,
    latencyMedianMs: options.latencyMs?.median ?? 0,
    latencySigma: options.latencyMs?.sigma ?? 0,
    latencyMaxMs: 60_000,
  });
  const faultDraw = createRandom(seed, 'faults');
  const requests: { readonly request: ChatRequest; readonly headers: IncomingMessage['headers'] }[] = [];
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
    // A caller that disconnected is not a failure of the judge.
    handle(incoming, response).catch(() => response.destroy());
  });

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = parseChatRequest(JSON.parse(await readText(incoming)));
    const call = requests.push({ request, headers: incoming.headers });
    const failing = faultDraw(1_000_000) < faultRatio * 1_000_000 ? faults[faultDraw(faults.length)] : undefined;
    const judged = judge(request.messages);
    if (judged !== undefined && judged.latencyMs > 0) await sleep(judged.latencyMs);
    const said = failing ?? (await options.script?.(request, call)) ?? judged?.text ?? 'What is the question?';
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
        reply(response, request, id, 'I would rather not say.');
        return;
    }
    if (typeof said === 'string') reply(response, request, id, said);
    else send(response, said.status, said.body, said.headers);
  }

  function reply(response: ServerResponse, request: ChatRequest, id: string, content: string): void {
    replies.set(id, content);
    // What a test says is said in full, at a price that a test can count on.
    const completion = chatCompletion({ ...request, max_tokens: null }, id, content, 0);
    send(response, 200, JSON.stringify({ ...completion, usage: { prompt_tokens: 100, completion_tokens: 10 } }));
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

/** The texts that a prompt shows, in order, by name. */
export function shownTexts(request: ChatRequest): readonly ShownText[] {
  return textsIn(request.messages);
}
