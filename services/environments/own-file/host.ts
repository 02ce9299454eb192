/**
 * Plays the environment of one file, in a process of its own: `host.ts FILE`, which protocol.ts describes. What the file prints does not
 * meet the protocol. Ends when descriptor 3 closes.
 */
import { Socket } from 'node:net';
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { CancelledError, TerminalError, TransientError, errorFrom, isGradusError } from '#platform/errors.ts';
import { createLineSplitter } from '#user-code/line-splitter.ts';
import type { Environment, EnvironmentDefinition, Episode } from '../kit/environment.ts';
import type { EnvironmentClients } from '../kit/clients.ts';
import { isFault } from '#user-code/user-code-error.ts';
import { UserCodeError } from '#user-code/user-code-error.ts';
import { createCalls } from './calls.ts';
import { definitionOf, loadingProblem, makeKitFound } from './definition.ts';
import { maxReplyBytes, type Description, type HostRequest, type PlayRequest } from './protocol.ts';

const longestMessage = 8192;
/** A call that heeds its signal says itself what took so long. */
const lateMs = 200;
const exit = process.exit.bind(process);
const file = resolve(process.argv[2] ?? '');
const channel = new Socket({ fd: 3 });
const say = (message: object): void => void channel.write(`${JSON.stringify(message)}\n`);

process.exit = (code) => {
  throw new Error(`process.exit(${code ?? ''}) was called, which would end the episodes of others; throw an Error`);
};

const calls = createCalls(file);

interface Played {
  readonly episode: Promise<Episode>;
  /** Of the call under way. */
  stop: AbortController;
}
const episodes = new Map<string, Played>();
let environment: Environment | undefined;
/** Nobody caught it: what this process gives from then on is not to be trusted. */
let uncaught: object | undefined;

for (const event of ['uncaughtException', 'unhandledRejection'] as const)
  process.on(event, (thrown: unknown) => {
    const threw = threwOf(thrown);
    uncaught ??= { threw: { ...threw, message: `${threw.message} (nothing caught it)` } };
    for (const id of calls.underWay()) answer(id, uncaught);
  });

function answer(id: number, reply: object): void {
  if (!calls.underWay().includes(id)) return;
  calls.answered(id);
  try {
    say({ id, ...bounded(reply) });
  } catch (thrown) {
    // What JSON cannot say: a circle, for example.
    say({ id, threw: threwOf(thrown) });
  }
}

/** JSON with what JSON lacks as text, so that the worker can name it. */
function bounded(reply: object): object {
  const text = JSON.stringify(reply, (_key, value: unknown) =>
    (typeof value === 'number' && !Number.isFinite(value)) || typeof value === 'bigint' ? String(value) : value,
  );
  const bytes = Buffer.byteLength(text);
  const tooLong = new UserCodeError(`it gave ${bytes} bytes; at most ${maxReplyBytes} can be read`, { file });
  return bytes < maxReplyBytes ? (JSON.parse(text) as object) : { threw: threwOf(tooLong) };
}

async function replyTo(definition: EnvironmentDefinition, request: PlayRequest): Promise<object> {
  switch (request.op) {
    case 'open': {
      const parsed = definition.options.safeParse(request.options);
      if (!parsed.success)
        throw new TerminalError(
          'invalid_argument',
          parsed.error.issues.map(({ path, message }) => [...path.map(String), message].join(': ')).join('; '),
        );
      environment = await definition.open(parsed.data, clientsOf(request.retrieval));
      const rewards = definition.rewardsOf?.(parsed.data) ?? definition.rewards;
      return { opened: { stop: environment.stop, rewards, checks: environment.check !== undefined } };
    }
    case 'check':
      await environment?.check?.(new AbortController().signal);
      return { done: true };
    case 'end':
      await environment?.close?.();
      return { done: true };
    case 'start': {
      if (environment === undefined) throw new TerminalError('internal', 'start came before open');
      const stop = new AbortController();
      const { row, seed, toolTimeoutMs } = request;
      const io = { signal: stop.signal, seed: BigInt(seed), toolTimeoutMs };
      const starting = Promise.resolve(environment.start(row, io));
      episodes.set(request.episode, { episode: starting, stop });
      try {
        return { prompt: await within(toolTimeoutMs, stop, async () => (await starting).prompt()) };
      } catch (thrown) {
        episodes.delete(request.episode);
        throw thrown;
      }
    }
    case 'step': {
      const played = episodes.get(request.episode);
      if (played === undefined) throw new TransientError('unavailable', 'the episode does not exist any more');
      played.stop = new AbortController();
      const { turn, toolTimeoutMs } = request;
      const io = { signal: played.stop.signal, toolTimeoutMs };
      const outcome = await within(toolTimeoutMs, played.stop, async () => (await played.episode).step(turn, io));
      return { outcome: outcome ?? null };
    }
    case 'close': {
      const played = episodes.get(request.episode);
      episodes.delete(request.episode);
      if (played !== undefined)
        await within(request.toolTimeoutMs, played.stop, async () => (await played.episode).close?.());
      return { done: true };
    }
  }
}

class LateError extends Error {}

/** The signal aborts after so long; what does not heed it is not waited for. */
async function within<T>(ms: number, stop: AbortController, run: () => Promise<T>): Promise<T> {
  const abort = setTimeout(() => stop.abort(new DOMException(`longer than ${ms} ms`, 'TimeoutError')), ms);
  const late = Promise.withResolvers<never>();
  const giveUp = setTimeout(() => late.reject(new LateError()), ms + lateMs);
  const running = run();
  running.catch(() => {});
  try {
    return await Promise.race([running, late.promise]);
  } catch (thrown) {
    if (stop.signal.aborted && errorFrom(thrown) instanceof CancelledError) throw new LateError();
    throw thrown;
  } finally {
    clearTimeout(abort);
    clearTimeout(giveUp);
  }
}

function clientsOf(retrieval: string | undefined): EnvironmentClients {
  return {
    retrieval() {
      if (retrieval === undefined)
        throw new TerminalError('failed_precondition', "needs: write needs: ['retrieval'] into the definition");
      return connectRetrieval(retrieval);
    },
    userCode: () =>
      Promise.reject(
        new TerminalError('failed_precondition', 'this code runs in a limited process of its own already'),
      ),
  };
}

let connectRetrieval: (address: string) => ReturnType<EnvironmentClients['retrieval']>;

/** Loaded where it is used: it takes a second and tens of megabytes. */
async function loadClients(): Promise<void> {
  const [{ createGrpcClient }, { RetrievalService }] = await Promise.all([
    import('#platform/grpc/client.ts'),
    import('#proto/retrieval/v1/retrieval_service_pb.ts'),
  ]);
  connectRetrieval = (address) => createGrpcClient(RetrievalService, address, { timeoutMs: 30_000 });
}

function replyOf(thrown: unknown): object {
  if (thrown instanceof LateError) return { late: true };
  if (!isGradusError(thrown) && isFault(thrown)) return { threw: threwOf(thrown) };
  const error = errorFrom(thrown);
  const { code, message } = error;
  return { failed: { code, message, ...(error instanceof TransientError && { retryAfterMs: error.retryAfterMs }) } };
}

/** With the place in the user's own files that is nearest to where it was thrown. */
function threwOf(thrown: unknown) {
  const folder = `${dirname(file)}/`;
  const trace = thrown instanceof Error ? (thrown.stack ?? thrown.message) : inspect(thrown);
  const places = [...trace.matchAll(/(file:\/\/\/[^\s()?]+)(?:\?[^\s():]*)?:(\d+):\d+/g)].map(([, url = '', line]) => ({
    file: fileURLToPath(url),
    line: Number(line),
  }));
  const own = places.find((place) => place.file.startsWith(folder)) ?? places[0];
  const given = thrown instanceof UserCodeError ? thrown : undefined;
  return {
    type: thrown instanceof Error ? thrown.name : 'something that is not an Error',
    message: (thrown instanceof Error ? thrown.message : inspect(thrown)).slice(0, longestMessage),
    file: given?.file ?? own?.file ?? file,
    line: given?.line ?? own?.line ?? null,
    trace: trace.slice(0, longestMessage),
  };
}

function descriptionOf(definition: EnvironmentDefinition): Description {
  const { name, about, needs, scorers, rewards, roles, primaryMetric, tags } = definition;
  return {
    name,
    about,
    needs: [...needs],
    scorers: [...scorers],
    rewards: [...rewards],
    roles: [...roles],
    primaryMetric,
    tags: [...tags],
  };
}

function limitMsOf(request: PlayRequest): number {
  return Math.max(1_000, 'toolTimeoutMs' in request ? request.toolTimeoutMs : 60_000);
}

try {
  makeKitFound();
  const definition = definitionOf(await import(pathToFileURL(file).href));
  if (definition.needs.includes('retrieval')) await loadClients();
  const onLine = (line: string): void => {
    // Our own worker wrote it.
    const request = JSON.parse(line) as HostRequest;
    const { id } = request;
    if (request.op === 'describe') return say({ id, described: descriptionOf(definition) });
    if (request.op === 'cancel') {
      episodes.get(request.episode)?.stop.abort();
      return say({ id, done: true });
    }
    // A call of its own for each, so that one which holds the thread is known by name.
    setImmediate(() =>
      calls.enter(id, limitMsOf(request), () => {
        if (uncaught !== undefined) return answer(id, uncaught);
        void replyTo(definition, request).then(
          (reply) => answer(id, reply),
          (thrown: unknown) => answer(id, replyOf(thrown)),
        );
      }),
    );
  };
  channel.on(
    'data',
    createLineSplitter(Infinity, onLine, () => {}),
  );
  channel.on('close', () => exit());
  say({ ready: true });
} catch (thrown) {
  channel.write(`${JSON.stringify({ failed: loadingProblem(thrown, file) })}\n`, () => exit(1));
}
