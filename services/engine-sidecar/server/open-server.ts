import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Tokenizer } from '#chat/tokenizer.ts';
import type { EngineKind, ServerHost, ServerPlan, StartedServer } from '#engines/kit/engine-kind.ts';
import type { EngineServer } from '#engines/kit/engine-server.ts';
import { sleep } from '#platform/async/sleep.ts';
import { TerminalError } from '#platform/errors.ts';
import { startGuardian } from '#platform/runtime/guardian.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { checkWeights } from '#weights/manifest.ts';
import type { EngineSidecarConfig } from '../config.ts';
import type { SidecarEvents } from '../events.ts';
import { type WeightsGiver, createWeightsGiver } from '../versions/give-weights.ts';
import { type ServedVersion, type VersionLoads, createVersionLoads } from '../versions/version-loads.ts';
import { inspectServer } from './inspect-server.ts';
import { type KeptServer, keepServer } from './keep-server.ts';
import { type ServerLink, createServerLink } from './server-link.ts';
import { watchServer } from './watch-server.ts';

export interface OpenServerOptions {
  readonly config: EngineSidecarConfig;
  readonly ctx: ServiceContext;
  readonly variables: NodeJS.ProcessEnv;
  readonly tokenizer: Tokenizer;
  readonly events: SidecarEvents;
  readonly kinds: readonly EngineKind[];
}

export interface OpenedServer {
  readonly link: ServerLink;
  readonly loads: VersionLoads;
  readonly give: WeightsGiver;
}

/** Starts the server, or connects to the one that is there; asks it what it can do, and keeps an eye on it until the service stops. */
export async function openServer(options: OpenServerOptions): Promise<OpenedServer> {
  const { config, ctx, tokenizer, events } = options;
  const { signal } = ctx;
  const kind = options.kinds.find((each) => each.kind === config.kind);
  if (kind === undefined) throw new TerminalError('invalid_argument', `kind is '${config.kind}', which is none`);
  const settings = parseOptions(kind, config.options);
  const connect = (baseUrl: string): EngineServer => kind.connect(baseUrl, settings);
  const own = config.server === undefined ? ownServer(kind, settings, options) : undefined;
  const base = planOf(config, tokenizer);
  const started = await own?.start(base);
  const first = connect(started?.baseUrl ?? config.server ?? '');
  const description = await inspectServer(first, tokenizer, signal).catch(async (thrown: unknown) => {
    throw (await diedMeanwhile(kind.kind, started)) ?? thrown;
  });
  const link = createServerLink(first, description, events);
  const isPossible = (description.loadsVersions && first.load !== undefined) || own !== undefined;
  // What a server of somebody else was started with is its own affair.
  const weightsDigest = own === undefined ? '' : await checkWeights(base.modelDirectory, '');
  const beginning: ServedVersion = { version: description.version ?? 0n, weightsPath: '', weightsDigest };
  const loads = createVersionLoads(beginning, isPossible, events.serving);

  let kept: KeptServer | undefined;
  if (own !== undefined && started !== undefined) {
    kept = keepServer(started, first, {
      start: own.start,
      connect,
      planAgain: () => planAgain(loads.served, base),
      async takeIn(server, plan) {
        link.attach(server, await inspectServer(server, tokenizer, signal));
        // A load says by itself what serves once it is through.
        if (loads.told === undefined) return;
        loads.restarted(plan === base ? beginning : loads.served);
      },
      onDown: link.detach,
      onGivenUp: (error) => ctx.fail(error),
      events,
      signal,
    });
    const { stop } = kept;
    ctx.defer('server', async () => {
      await stop();
      own.release();
    });
  }
  void watchServer(
    {
      link,
      server: () => (kept === undefined ? first : kept.server),
      async back(server, version) {
        link.attach(server, await inspectServer(server, tokenizer, signal));
        if (kept === undefined) loads.restarted({ version: version ?? 0n, weightsPath: '', weightsDigest: '' });
      },
      // One of our own serves what it was started with or given, and ends in our sight.
      told: () => (kept === undefined ? loads.told : undefined),
      hung: () => kept?.kill(),
      onStatus: events.serverSaid,
      signal,
    },
    config,
  );
  ctx.defer('connection to the server', () => first.close());
  const restartWith = kept && (async (target: ServedVersion) => await kept.replace(planWith(base, target)));
  return { link, loads, give: createWeightsGiver({ link, loads, restartWith, events, signal }) };
}

/** Longest time between the last answer of a server that dies and its end. */
const dyingMs = 2_000;

/** With its last words, if a server ended while it was asked. */
async function diedMeanwhile(name: string, started: StartedServer | undefined): Promise<TerminalError | undefined> {
  const how = await Promise.race([started?.ended, sleep(started === undefined ? 0 : dyingMs)]);
  if (how === undefined) return undefined;
  return new TerminalError('failed_precondition', `${name} ended when it was asked what it can do: ${how}`);
}

function parseOptions(kind: EngineKind, options: unknown): Record<string, unknown> {
  const parsed = kind.options.safeParse(options);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `options.${path.join('.')}: ${message}`);
  throw new TerminalError('invalid_argument', `${kind.kind}: ${problems.join('; ')}`);
}

function ownServer(kind: EngineKind, settings: Record<string, unknown>, { ctx, variables }: OpenServerOptions) {
  const { start } = kind;
  if (start === undefined) {
    throw new TerminalError(
      'invalid_argument',
      `${kind.kind}: cannot be started here; start it yourself and name it with --server`,
    );
  }
  const guardian = startGuardian();
  const host: ServerHost = { log: ctx.log, guardian, variables, signal: ctx.signal };
  return { start: (plan: ServerPlan) => start(plan, settings, host), release: () => guardian.release() };
}

function planOf(config: EngineSidecarConfig, tokenizer: Tokenizer): ServerPlan {
  const { maxContext, maxRunning, threads, device } = config;
  const tokenizerDirectory = dirname(tokenizer.path);
  const modelDirectory = config.model === undefined ? tokenizerDirectory : resolve(config.model);
  return { modelDirectory, tokenizerDirectory, version: 0n, maxContext, maxRunning, threads, device };
}

function planWith(base: ServerPlan, { version, weightsPath }: ServedVersion): ServerPlan {
  return { ...base, version, modelDirectory: weightsPath };
}

/** What it served, unless that is gone or other by now: then what it was started with first, and whoever asks finds an older version. */
async function planAgain(served: ServedVersion, base: ServerPlan): Promise<ServerPlan> {
  const { weightsPath, weightsDigest } = served;
  if (weightsPath === '' || !existsSync(weightsPath)) return base;
  const isWhole = await checkWeights(weightsPath, weightsDigest).then(
    () => true,
    () => false,
  );
  return isWhole ? planWith(base, served) : base;
}
