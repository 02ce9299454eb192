import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { existingEngines } from '#recipe/engine-part.ts';
import { existingLearner } from '#recipe/learner-part.ts';
import { needsRetrieval } from '#recipe/environment-part.ts';
import { cancelledFrom, errorFrom, TransientError } from '#platform/errors.ts';
import { boundCompileCache } from './bound-compile-cache.ts';
import { childOptions } from './child-options.ts';
import { startChildRanks } from './child-ranks.ts';
import type { Ready } from './child-service.ts';
import { openOperator } from './credentials-directory.ts';
import { claimHome } from './claim-home.ts';
import { fleetKey } from './fleet-file.ts';
import type { FleetFile } from './fleet-file.ts';
import { planBase, planGateways, planTop } from './fleet-plan.ts';
import type { FleetInputs, PlannedService } from './planned-service.ts';
import { planScriptedJudges, withScriptedJudges } from './scripted-judges.ts';
import { needsLearner } from '#stages/kit/kinds.ts';
import { pathsOf, resolveRecipe, type RecordedInput } from '#recipe/resolve-recipe.ts';
import { writeOffer } from '#submission/offered-recipe.ts';
import { watchDisks } from './disk/watch-disks.ts';
import type { DiskEvents, DiskWatch } from './disk/watch-disks.ts';
import { probeService } from './health/probe-service.ts';
import { dependantsOf, createPortClaim, movesBetween } from './ports/reclaim-ports.ts';
import { requireEngines } from './require-engines.ts';
import { requireLearner } from './require-learner.ts';
import { sayWhileWaiting } from './say-while-waiting.ts';
import { makeStreams, startNats } from './start-nats.ts';
import { superviseService } from './supervise-service.ts';
import type { SupervisedService, SupervisionEvents } from './supervise-service.ts';

export interface FleetOptions {
  readonly inputs: FleetInputs;
  /** What of them the services load, by content. */
  readonly loaded?: readonly RecordedInput[];
  readonly recipePath: string;
  readonly owner: FleetFile['owner'];
  /** False leaves out coordinator and learner: only what rollouts need. Default true. */
  readonly training?: boolean;
  /** Absolute. Holds fleet.json and the store of NATS. */
  readonly home: string;
  /** Absolute: a directory of `gradus credentials init`. Absent: connections are plain, and stay on this machine. */
  readonly credentials?: string | undefined;
  /** Absolute: further folders that runs may name files in, next to the home, the recipe's folder and what it names. */
  readonly roots?: readonly string[];
  /** Absolute. One log per service. */
  readonly logs: string;
  /** Aborts while starting: what was started until then is stopped again. */
  readonly signal: AbortSignal;
  readonly events: SupervisionEvents & {
    started(label: string, ready: Ready): void;
    /** It has not come to serve yet; `what` is what it waits for, where that is known. */
    starting(label: string, what: string | undefined, forMs: number): void;
    /** Processes of a fleet that was killed; they were ended before this one starts. */
    leftBehind(processes: readonly string[]): void;
    /** Another process took its port while it was dead; `restarted` holds its old address and are started again. */
    moved(label: string, from: string, to: string, restarted: readonly string[]): void;
    disk: DiskEvents;
  };
}

export interface Fleet {
  readonly file: FleetFile;
  /** Aborts with the reason when a service could not be kept running. */
  readonly failed: AbortSignal;
  /** Of what the fleet writes to. */
  readonly disk: DiskWatch;
  /** Workers first, NATS last; what does not end in `graceMs` is killed. */
  stop(graceMs: number): Promise<void>;
}

type Supervised = SupervisedService<Ready>;

/** Starts every service of a recipe on this machine, in the order of who needs whom. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { inputs, home, logs, signal, credentials } = options;
  const over = new AbortController();
  const security = await openOperator(credentials, { signal: over.signal });
  const training = options.training ?? true;
  const learning = training && needsLearner(inputs.recipe);
  const failure = new AbortController();
  const services: { supervised: Supervised; service: string; known: Ready }[] = [];
  const claim = await claimHome(home, {
    owner: options.owner,
    recipePath: options.recipePath,
    key: fleetKey(inputs, options.recipePath),
    paths: { ...inputs.paths },
    inputs: (options.loaded ?? []).map(({ name, path, digest, bytes }) => ({ name, path, digest, bytes })),
    logs,
    natsUrl: '',
    ...(credentials !== undefined && { credentials }),
    services: [],
  });
  const { guardian } = claim;
  if (claim.leftBehind.length > 0) options.events.leftBehind(claim.leftBehind);
  await boundCompileCache();
  let nats: Supervised | undefined;
  const onGivenUp = (error: Error): void => failure.abort(error);

  const natsUrl = (): string => `nats://${nats?.addresses.nats ?? ''}`;
  const publishFile = async (): Promise<void> => {
    await claim.describe({
      natsUrl: natsUrl(),
      services: services.map(({ supervised, service }) => ({
        label: supervised.label,
        service,
        pid: supervised.pid,
        grpc: supervised.addresses.grpc,
        metrics: supervised.addresses.metrics,
        nats: supervised.addresses.nats,
      })),
    });
  };

  const disk = watchDisks({
    paths: [join(home, 'nats'), logs],
    signal: over.signal,
    onGivenUp,
    events: {
      full(found) {
        options.events.disk.full(found);
        // They wait for room where nothing of theirs runs out: what they do is in the ledger, and their waits have deadlines.
        for (const { service, supervised } of services)
          if (service === 'coordinator' || service === 'rollout') supervised.restart();
      },
      hasRoom: options.events.disk.hasRoom,
    },
  });
  const untilStartable = (waiting: AbortSignal): Promise<boolean> => disk.untilRoom(waiting);

  /** A service that was started with an address that is no longer right is started again. */
  const followMoves = (label: string): void => {
    const found = services.find(({ supervised }) => supervised.label === label);
    if (found === undefined) return;
    const moves = movesBetween(found.known, found.supervised.addresses);
    found.known = found.supervised.addresses;
    const names = dependantsOf(
      found.service,
      moves.map(({ protocol }) => protocol),
    );
    const dependants = services.filter(({ service }) => names.includes(service));
    const labels = dependants.map(({ supervised }) => supervised.label);
    for (const { from, to } of moves) options.events.moved(label, from, to, labels);
    for (const { supervised } of dependants) supervised.restart();
  };

  const events: FleetOptions['events'] = {
    ...options.events,
    restarted(label, pid) {
      options.events.restarted(label, pid);
      followMoves(label);
      // The file holds process ids and addresses; an old one there must not be signalled or asked by anybody.
      void publishFile();
    },
  };

  const health = {
    probe: (at: Ready) => probeService(at, security),
    hungAfterMs: inputs.recipe.fleet.hung_after_ms,
  };
  const firstMetricsPort = inputs.recipe.fleet.metrics_port;
  const metricsPorts = new Map<string, number>();
  /** Where the recipe says the first port, each service takes the next one, in the order of their starts, which is always the same. */
  function metricsAddress(label: string): string {
    if (firstMetricsPort === undefined) return '127.0.0.1:0';
    const port = metricsPorts.get(label) ?? firstMetricsPort + metricsPorts.size;
    metricsPorts.set(label, port);
    return `127.0.0.1:${port}`;
  }

  /** `plan` is asked before each start: addresses of others may have moved. */
  const start = async (plan: () => PlannedService): Promise<Supervised> => {
    const planned = plan();
    const ports = createPortClaim(planned.label);
    const metrics = metricsAddress(planned.label);
    const supervised = await superviseService<Ready>({
      label: planned.label,
      signal,
      events,
      health,
      onGivenUp,
      untilStartable,
      replaceGraceMs: planned.replaceGraceMs,
      start: async (at, startSignal) => {
        const claimed = await ports.claim(at);
        const children = childOptions(plan(), { ...claimed, metrics: claimed.metrics ?? metrics }, startSignal, {
          home,
          logs,
          credentials,
          guardian,
        });
        const starting = startChildRanks(children);
        const running = await sayWhileWaiting(starting, (forMs) =>
          options.events.starting(planned.label, planned.waitsFor, forMs),
        );
        return { ...running, addresses: running.ready };
      },
    });
    services.push({ supervised, service: planned.service, known: supervised.addresses });
    events.started(planned.label, supervised.addresses);
    return supervised;
  };

  /** Side by side; when one fails the others are awaited, so that nothing is left behind unknown. */
  const startAll = async (plan: () => readonly PlannedService[]): Promise<Supervised[]> => {
    const starts = plan().map((first) => start(() => plan().find(({ label }) => label === first.label) ?? first));
    const outcomes = await Promise.allSettled(starts);
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw errorFrom(outcome.reason);
      return outcome.value;
    });
  };

  const stop = async (graceMs: number): Promise<void> => {
    over.abort();
    const phase = async (names: readonly string[]): Promise<void> => {
      const chosen = services.filter(({ service }) => names.includes(service));
      await Promise.all(chosen.map(({ supervised }) => supervised.stop(graceMs)));
    };
    await phase(['rollout']);
    await phase(['coordinator']);
    await phase(['policy', 'engine', 'learner', 'retrieval', 'reward']);
    await phase(['scripted-judge']);
    await nats?.stop(graceMs);
    await claim.release();
  };

  try {
    await mkdir(logs, { recursive: true });
    const natsPort = createPortClaim('nats');
    nats = await superviseService<Ready>({
      label: 'nats',
      signal,
      events,
      health,
      onGivenUp,
      untilStartable,
      start: async (at, startSignal) => {
        const { nats: claimed } = await natsPort.claim(at);
        return await startNats({ home, at: claimed, credentials, guardian, signal: startSignal });
      },
    });
    services.push({ supervised: nats, service: 'nats', known: nats.addresses });
    events.started('nats', nats.addresses);
    await publishFile();
    if (security !== undefined) await makeStreams(natsUrl(), security, signal);

    const judges = await startAll(() => planScriptedJudges(inputs));
    const judged = (): FleetInputs =>
      withScriptedJudges(inputs, new Map(judges.map(({ label, addresses }) => [label, addresses.http ?? ''])));
    await startAll(() =>
      planBase(judged(), [home, inputs.paths.model]).filter(({ service }) => learning || service !== 'learner'),
    );
    const allAt = (name: string): string[] =>
      services.flatMap(({ service, supervised }) => (service === name ? [supervised.addresses.grpc ?? ''] : []));
    const at = (service: string): string => {
      const [found = ''] = allAt(service);
      if (found === '') throw new TransientError('unavailable', `${service} names no gRPC address in its ready line`);
      return found;
    };
    await startAll(() => planGateways(inputs, allAt('engine'), join(home, 'added-engines')));
    for (const gateway of allAt('policy'))
      await requireEngines(gateway, existingEngines(inputs.recipe) ?? [], signal, security);
    const external = learning ? existingLearner(inputs.recipe) : undefined;
    if (external !== undefined)
      await sayWhileWaiting(
        requireLearner(external, inputs.recipe.fleet.learner.start_timeout_ms, signal, security),
        (forMs) => options.events.starting(`learner at ${external}`, undefined, forMs),
      );
    await publishFile();
    const fleetId = randomUUID();
    // A fleet of one run ends with it: it takes no other.
    const takesRecipes = options.owner === 'up' && training;
    if (takesRecipes)
      await writeOffer(home, {
        ...resolveRecipe(inputs.recipe, options.recipePath, inputs.paths),
        inputs: claim.file.inputs,
      });
    await startAll(() =>
      planTop(inputs, {
        natsUrl: natsUrl(),
        fleetId,
        policy: allAt('policy').join(','),
        ...(needsRetrieval(inputs.recipe) && { retrieval: at('retrieval') }),
        reward: at('reward'),
        coordinators: training,
        roots: [home, dirname(resolve(options.recipePath)), ...pathsOf(inputs.paths), ...(options.roots ?? [])],
        ...(takesRecipes && { home }),
        ...(learning && { learner: external ?? at('learner') }),
      }),
    );
    await publishFile();
  } catch (thrown) {
    await stop(5_000);
    throw signal.aborted ? cancelledFrom(signal.reason) : errorFrom(thrown);
  }
  return {
    get file() {
      return claim.file;
    },
    failed: failure.signal,
    disk,
    stop,
  };
}
