/**
 * One session of an OpenEnv server (`openenv` 0.10): a WebSocket on which the server keeps one instance of its environment.
 *
 *     client                                  server
 *     {type: 'reset', data: {seed, …}}     ->
 *     {type: 'step', data: action}         ->
 *                                          <- {type: 'observation', data: {observation, reward, done}}
 *                                          <- {type: 'error', data: {message, code}}
 *     {type: 'close'}                      ->
 *
 * Replies have no ids: they come in the order of the requests. So what comes late could be taken for the next reply, and a session
 * whose reply was not waited for is lost.
 *
 *     open --request--> waiting --reply--> open          open | waiting --late, too large, nonsense, gone--> lost
 */
import { z } from 'zod';
import { TransientError, throwIfCancelled } from '#platform/errors.ts';
import { UserCodeError } from '#user-code/user-code-error.ts';

export interface Observed {
  readonly observation: Readonly<Record<string, unknown>>;
  readonly reward: number | undefined;
  readonly done: boolean;
}

/** The server refuses what it was sent; the session goes on. */
export interface Refused {
  readonly kind: 'refused';
  readonly message: string;
}

export interface Session {
  /** Throws `TransientError` when the server is full or the session is lost, `UserCodeError` when the server's own code threw. */
  reset(data: object, io: CallIo): Promise<Observed>;
  step(action: object, io: CallIo): Promise<Observed | Refused>;
  close(): Promise<void>;
}

export interface CallIo {
  readonly signal: AbortSignal;
  readonly toolTimeoutMs: number;
}

const reply = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('observation'),
    data: z.object({
      observation: z.record(z.string(), z.unknown()),
      reward: z.union([z.number(), z.boolean()]).nullish(),
      done: z.boolean().default(false),
    }),
  }),
  z.object({
    type: z.literal('error'),
    data: z.looseObject({
      message: z.string().default(''),
      code: z.string().default(''),
      errors: z.array(z.looseObject({ type: z.string(), loc: z.array(z.unknown()), msg: z.string() })).optional(),
    }),
  }),
]);
type Reply = z.output<typeof reply>;

export interface SessionOptions {
  readonly maxMessageBytes: number;
}

/** Where sessions of a server are opened. */
export function sessionUrl(address: string): string {
  const url = new URL(address);
  url.protocol = url.protocol.replace('http', 'ws');
  if (!url.pathname.endsWith('/ws')) url.pathname = `${url.pathname.replace(/\/$/, '')}/ws`;
  return url.href;
}

/** Throws `TransientError` when the server does not take the connection in time. */
export async function openSession(url: string, options: SessionOptions, io: CallIo): Promise<Session> {
  throwIfCancelled(io.signal);
  const socket = new WebSocket(url);
  const closed = new Promise<void>((resolve) => socket.addEventListener('close', () => resolve(), { once: true }));
  /** Why no further request can be made. */
  let lost: TransientError | undefined;
  let expecting: PromiseWithResolvers<Reply> | undefined;
  const opening = Promise.withResolvers<undefined>();

  function lose(why: string, code: 'unavailable' | 'resource_exhausted' = 'unavailable'): void {
    lost ??= new TransientError(
      code,
      `OpenEnv server ${url}: ${why}`,
      code === 'unavailable' ? {} : { retryAfterMs: 500 },
    );
    opening.reject(lost);
    expecting?.reject(lost);
    expecting = undefined;
    socket.close();
  }

  socket.addEventListener('message', (event) => {
    const data: unknown = event.data;
    if (lost !== undefined) return;
    if (typeof data !== 'string') return lose('it sent a binary message');
    const bytes = Buffer.byteLength(data);
    if (bytes > options.maxMessageBytes)
      return lose(`it sent ${bytes} bytes; at most max_message_bytes (${options.maxMessageBytes}) are read`);
    const parsed = reply.safeParse(parseJson(data));
    if (!parsed.success) return lose(`it sent what is not a reply: ${JSON.stringify(data.slice(0, 120))}`);
    const { data: said } = parsed;
    if (said.type === 'error' && said.data.code === 'CAPACITY_REACHED')
      return lose(`it is full: ${said.data.message}`, 'resource_exhausted');
    if (said.type === 'error' && said.data.code === 'SESSION_ERROR') return lose(said.data.message);
    if (expecting === undefined)
      return lose(said.type === 'error' ? said.data.message : 'it sent an observation without being asked');
    expecting.resolve(said);
    expecting = undefined;
  });
  socket.addEventListener('error', (event) => lose(`the connection failed${messageOf(event)}`));
  socket.addEventListener('close', ({ code }) => lose(`it closed the connection (code ${code})`));

  /** Waits for `promise` with the deadline of a call; when that is over first, the session is lost. */
  async function within<T>(promise: Promise<T>, what: string, { signal, toolTimeoutMs }: CallIo): Promise<T> {
    const timer = setTimeout(() => lose(`${what} within ${toolTimeoutMs} ms`), toolTimeoutMs);
    const onAbort = (): void => lose('the call was cancelled');
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await promise;
    } catch (thrown) {
      throwIfCancelled(signal);
      throw thrown;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  async function ask(message: object, callIo: CallIo): Promise<Reply> {
    throwIfCancelled(callIo.signal);
    if (lost !== undefined) throw lost;
    const waiting = Promise.withResolvers<Reply>();
    expecting = waiting;
    socket.send(JSON.stringify(message));
    return await within(waiting.promise, 'no observation', callIo);
  }

  socket.addEventListener('open', () => opening.resolve(undefined), { once: true });
  await within(opening.promise, 'no connection', io);

  return {
    async reset(data, callIo) {
      const observed = observedFrom(await ask({ type: 'reset', data }, callIo), 'reset', url);
      if ('kind' in observed)
        throw new UserCodeError(`the OpenEnv server ${url} refused the reset: ${observed.message}`);
      return observed;
    },
    step: async (action, callIo) => observedFrom(await ask({ type: 'step', data: action }, callIo), 'step', url),
    async close() {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: 'close' }));
      lose('the session was closed');
      await closed;
    },
  };
}

/** Kinds of mistakes in an action that no turn of a policy can make: the recipe's fields are not the server's. */
const recipeMistakes: ReadonlySet<string> = new Set(['missing', 'extra_forbidden']);

function observedFrom(said: Reply, what: string, url: string): Observed | Refused {
  if (said.type === 'observation') {
    const { observation, reward, done } = said.data;
    return { observation, reward: reward === null || reward === undefined ? undefined : Number(reward), done };
  }
  const { code, message, errors = [] } = said.data;
  if (code !== 'VALIDATION_ERROR') throw new UserCodeError(`${what} of the OpenEnv server ${url} threw: ${message}`);
  const problems = errors.map(({ loc, msg }) => `${loc.map(String).join('.')}: ${msg}`).join('; ');
  if (errors.length === 0 || errors.some(({ type }) => recipeMistakes.has(type)))
    throw new UserCodeError(
      `the OpenEnv server ${url} does not take such a ${what}: ${problems || message}; see the options action, text_field and action_fields`,
    );
  return { kind: 'refused', message: problems };
}

function messageOf(event: Event): string {
  return 'message' in event && typeof event.message === 'string' && event.message !== '' ? `: ${event.message}` : '';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
