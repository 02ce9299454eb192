import type { ArtefactReader } from '#artefacts/artefact-files.ts';
import type { Tokenizer } from '#chat/tokenizer.ts';
import type { EngineKind, StartedServer } from '#engines/kit/engine-kind.ts';
import type { EngineServer, ServerDescription } from '#engines/kit/engine-server.ts';
import { sleep } from '#platform/async/sleep.ts';
import { TerminalError } from '#platform/errors.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { checkWeights } from '#weights/manifest.ts';
import { type EngineSidecarConfig, serverGraceMs } from '../config.ts';
import type { SidecarEvents } from '../events.ts';
import { type GiverPorts, type WeightsGiver, createWeightsGiver } from '../versions/give-weights.ts';
import { type ServedVersion, type VersionLoads, createVersionLoads } from '../versions/version-loads.ts';
import { inspectServer } from './inspect-server.ts';
import { type KeptServer, keepServer } from './keep-server.ts';
import { createOwnServer } from './own-server.ts';
import { type ServerLink, createServerLink } from './server-link.ts';
import { watchServer } from './watch-server.ts';
import { within } from './within.ts';

export interface OpenServerOptions {
  readonly config: EngineSidecarConfig;
  readonly ctx: ServiceContext;
  readonly variables: NodeJS.ProcessEnv;
  readonly tokenizer: Tokenizer;
  readonly artefacts: Pick<ArtefactReader, 'placeOf'>;
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
  const placeOf = (location: string) => (location === '' ? '' : options.artefacts.placeOf(location));
  const { signal } = ctx;
  const kind = options.kinds.find((each) => each.kind === config.kind);
  if (kind === undefined) throw new TerminalError('invalid_argument', `kind is '${config.kind}', which is none`);
  const settings = parseOptions(kind, config.options);
  const own =
    config.server === undefined
      ? createOwnServer(kind, settings, config, tokenizer, ctx, options.variables)
      : undefined;

  /** Throws also when it ends meanwhile, with its last words. */
  async function inspect(server: EngineServer, started?: StartedServer): Promise<ServerDescription> {
    const what = `${config.kind}${config.server === undefined ? '' : ` at ${config.server}`}: asking it what it can do`;
    const asked = within(signal, config.answerTimeoutMs, what, (until) => inspectServer(server, tokenizer, until));
    if (started === undefined) return await asked;
    return await asked.catch(async (thrown: unknown) => {
      const how = await Promise.race([started.ended, sleep(dyingMs)]);
      if (how === undefined) throw thrown;
      throw new TerminalError('failed_precondition', `${kind?.kind} ended when it was asked what it can do: ${how}`);
    });
  }

  let kept: KeptServer | undefined;
  const started = await own?.start(own.base);
  if (own !== undefined) {
    ctx.defer('server', async () => {
      await (kept ?? started)?.stop(serverGraceMs(config));
      own.release();
    });
  }
  const first = kind.connect(started?.baseUrl ?? config.server ?? '', settings);
  ctx.defer('connection to the server', () => first.close());
  if (started === undefined) events.asking(config.kind, config.server ?? '');
  const description = await inspect(first, started);
  const link = createServerLink(first, description, events);
  const isPossible = (description.loadsVersions && first.load !== undefined) || own !== undefined;
  // What a server of somebody else was started with is its own affair.
  const weightsDigest = own === undefined ? '' : await checkWeights(own.base.modelDirectory, '');
  const beginning: ServedVersion = { version: description.version ?? 0n, weightsPath: '', weightsDigest };
  const loads = createVersionLoads(beginning, isPossible, events.serving);

  if (own !== undefined && started !== undefined) {
    kept = keepServer(started, first, {
      start: own.start,
      async takeIn(next, check) {
        const server = kind.connect(next.baseUrl, settings);
        try {
          const described = await inspect(server, next);
          await check(server);
          link.attach(server, described);
          return server;
        } catch (thrown) {
          server.close();
          throw thrown;
        }
      },
      planAgain: () => own.planAgain({ ...loads.served, weightsPath: placeOf(loads.served.weightsPath) }),
      onRepaired: (plan) => loads.restarted(plan === own.base ? beginning : loads.served),
      alone: loads.alone,
      onDown: link.detach,
      onGivenUp: (error) => ctx.fail(error),
      events,
      signal,
      firstBackoffMs,
    });
  }

  /** A server that answers again. Of somebody else's, another name of its weights shows that it was started anew; without a word it is taken for that. */
  async function back(server: EngineServer): Promise<void> {
    const described = await inspect(server);
    if (kept !== undefined) {
      if (kept.server === server && link.state === 'down') link.attach(server, described);
      return;
    }
    const { version } = described;
    const isOther = version !== undefined && !loads.mayName(version);
    if (!isOther && link.state !== 'down') return;
    link.attach(server, described);
    if (isOther || version === undefined)
      loads.restarted({ version: version ?? 0n, weightsPath: '', weightsDigest: '' });
  }

  void watchServer(
    {
      link,
      server: () => (kept === undefined ? first : kept.server),
      back: (server) => loads.alone(() => back(server)),
      // One of our own serves what it was started with or given, and ends in our sight.
      mayName: (version) => kept !== undefined || loads.mayName(version),
      hung: () => kept?.kill(),
      onStatus: events.serverSaid,
      signal,
    },
    config,
  );
  const restartWith: GiverPorts['restartWith'] =
    own && (async (target, check) => await kept?.restart(own.planWith(target), check));
  const { loadTimeoutMs } = config;
  return { link, loads, give: createWeightsGiver({ link, loads, restartWith, loadTimeoutMs, events, signal }) };
}

const firstBackoffMs = 1_000;
/** Longest time between the last answer of a server that dies and its end. */
const dyingMs = 2_000;

function parseOptions(kind: EngineKind, options: unknown): Record<string, unknown> {
  const parsed = kind.options.safeParse(options);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `options.${path.join('.')}: ${message}`);
  throw new TerminalError('invalid_argument', `${kind.kind}: ${problems.join('; ')}`);
}
