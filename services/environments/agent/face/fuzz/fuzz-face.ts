import { createRandom, type Random } from '#platform/random.ts';
import type { EnvironmentTokens } from '../../../kit/clients.ts';
import { startFace, type Face } from '../start-face.ts';
import { damagedRequest, type FuzzRequest } from './damaged-request.ts';

export interface FuzzReport {
  /** How many requests ended how: a status, and the reason of a refusal. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** What should not have been: at most a hundred. */
  readonly problems: readonly string[];
  readonly slowestMs: number;
}

/** A session holds so many branches. */
const requestsOfSession = 24;
const atOnce = 32;

/** Turns as a model might write them. */
const turns = [
  'It is she.',
  '',
  '<think>Hm',
  '<think>Hm.</think>She.<|im_end|>',
  '<tool_call>{"name": "look", "arguments": {"a": 1}}</tool_call>',
  '<tool_call>\n<function=look>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>',
  '{"name": "look", "parameters": {"a": "\ud800"}}',
  '<tool>{"name": "__proto__", "args": {"__proto__": 1}}</tool>',
];

const tokens: EnvironmentTokens = {
  count: async () => 7,
  decode: async (lists) => lists.map((ids) => ids.join()),
};

/** Sends damaged requests to a real endpoint whose model answers at once. Every one has to be answered, or refused as its dialect does. */
export async function fuzzFace(count: number, seed: number): Promise<FuzzReport> {
  const face = await startFace({ thinking: false, sampling: 'refused' }, { tokens });
  const outcomes = new Map<string, number>();
  const problems: string[] = [];
  let slowestMs = 0;
  let left = Math.ceil(count / requestsOfSession);

  async function playSession(name: number, requests: number): Promise<void> {
    const { session, baseUrl, key } = face.open({ maxNewTokens: 64 });
    const over = new AbortController();
    const random = createRandom('requests', seed, name);
    const modelling = answerTurns(session, createRandom('turns', seed, name), over.signal);
    for (let at = 0; at < requests; at += 1) {
      const request = damagedRequest(random);
      const startedMs = performance.now();
      const { outcome, problem } = await send(`${baseUrl}${request.path}`, key, request);
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (problem !== undefined && problems.length < 100) problems.push(`${problem}: ${request.path} ${request.body}`);
    }
    over.abort();
    await modelling;
    face.forget(session);
  }

  async function work(): Promise<void> {
    while (left > 0) {
      left -= 1;
      const requests = Math.min(requestsOfSession, count - left * requestsOfSession);
      await playSession(left, requests);
    }
  }

  try {
    await Promise.all(Array.from({ length: atOnce }, work));
  } finally {
    await face.close();
  }
  return { outcomes, problems, slowestMs };
}

async function answerTurns(
  session: ReturnType<Face['open']>['session'],
  random: Random,
  over: AbortSignal,
): Promise<void> {
  const ended = Promise.withResolvers<undefined>();
  over.addEventListener('abort', () => ended.resolve(undefined));
  for (let index = 0; ; index += 1) {
    if ((await Promise.race([session.asked(), ended.promise])) === undefined) return;
    const text = turns[random(turns.length)] ?? '';
    const sampled = { prompt: [1], tokenIds: [4, 5], logprobs: [-1, -0.5] };
    session.answer({ index, text, tokens: { prompt: 1, turn: 2 }, sampled: () => sampled });
  }
}

async function send(url: string, key: string, { path, body }: FuzzRequest) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
  const response = await fetch(url, { method: 'POST', headers, body });
  const text = await response.text();
  const { status } = response;
  if (status === 200) {
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    const isWhole = isStream ? text.endsWith('\n\n') : typeof JSON.parse(text) === 'object';
    return { outcome: '200', problem: isWhole ? undefined : 'an answer that is cut' };
  }
  const reason = reasonOf(path, text);
  const isRefusal = status >= 400 && status < 500 && reason !== undefined;
  return { outcome: `${status} ${reason ?? ''}`, problem: isRefusal ? undefined : `${status} ${text.slice(0, 200)}` };
}

/** Of a refusal in the form of the path's dialect; undefined for whatever is none. */
function reasonOf(path: string, text: string): string | undefined {
  // A server's own answer, read field by field.
  const { type, error } = JSON.parse(text) as {
    readonly type?: unknown;
    readonly error?: {
      readonly type?: unknown;
      readonly message?: unknown;
      readonly code?: unknown;
      readonly details?: { readonly error_code?: unknown };
    };
  };
  if (typeof error?.message !== 'string' || error.message === '' || typeof error.type !== 'string') return undefined;
  if (path.startsWith('/messages')) return type === 'error' ? String(error.details?.error_code) : undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
