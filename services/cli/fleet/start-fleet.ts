import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cancelledFrom, errorFrom, TransientError } from '#shared/errors.ts';
import { startChildService } from './child-service.ts';
import type { Ready } from './child-service.ts';
import { claimHome, fleetKey, releaseHome, updateFleetFile } from './fleet-file.ts';
import type { FleetFile } from './fleet-file.ts';
import { flags, planBase, planPolicy, planTop } from './fleet-plan.ts';
import type { FleetInputs, PlannedService } from './fleet-plan.ts';
import { planScriptedJudges, withScriptedJudges } from './scripted-judges.ts';
import { startGuardian } from '#shared/runtime/guardian.ts';
import { startNats } from './start-nats.ts';
import { childEnvironment, programOf } from './service-programs.ts';
import { superviseService } from './supervise-service.ts';
import type { SupervisedService, SupervisionEvents } from './supervise-service.ts';

export interface FleetOptions {
  readonly inputs: FleetInputs;
  readonly recipePath: string;
  readonly owner: FleetFile['owner'];
  /** False leaves out coordinator and learner: only what rollouts need. Default true. */
  readonly training?: boolean;
  /** Absolute. Holds fleet.json and the store of NATS. */
  readonly home: string;
  /** Absolute. One log per service. */
  readonly logs: string;
  /** Aborts while starting: what was started until then is stopped again. */
  readonly signal: AbortSignal;
  readonly events: SupervisionEvents & { started(label: string, ready: Ready): void };
}

export interface Fleet {
  readonly file: FleetFile;
  /** Aborts with the reason when a service could not be kept running. */
  readonly failed: AbortSignal;
  /** Workers first, NATS last; what does not end in `graceMs` is killed. */
  stop(graceMs: number): Promise<void>;
}

const readyTimeoutMs = 60_000;
/** Importing PyTorch from a cold disk takes its time. */
const pythonReadyTimeoutMs = 180_000;

type Supervised = SupervisedService<Ready>;

/** Starts every service of a recipe on this machine, in the order of who needs whom. */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { inputs, home, logs, signal } = options;
  const training = options.training ?? true;
  const failure = new AbortController();
  const services: { supervised: Supervised; service: string }[] = [];
  let file: FleetFile = {
    format: 1,
    pid: process.pid,
    owner: options.owner,
    recipePath: options.recipePath,
    key: fleetKey(inputs, options.recipePath),
    paths: { ...inputs.paths },
    logs,
    natsUrl: '',
    services: [],
  };
  await claimHome(home, file);
  const guardian = startGuardian();
  const onGivenUp = (error: Error): void => failure.abort(error);

  const publishFile = async (): Promise<void> => {
    file = {
      ...file,
      services: services.map(({ supervised, service }) => ({
        label: supervised.label,
        service,
        pid: supervised.pid,
        grpc: supervised.addresses.grpc,
        metrics: supervised.addresses.metrics,
        nats: supervised.addresses.nats,
      })),
    };
    await updateFleetFile(home, file);
  };

  const events: FleetOptions['events'] = {
    ...options.events,
    restarted(label, pid) {
      options.events.restarted(label, pid);
      // The file tells process ids; an old one there must not be signalled by anybody.
      publishFile().catch(onGivenUp);
    },
  };

  const start = async (planned: PlannedService): Promise<Supervised> => {
    const program = programOf(planned.program ?? planned.service);
    const isPython = program.env['PYTHONPATH'] !== undefined;
    const threads: Record<string, string> =
      planned.threads === undefined ? {} : { OMP_NUM_THREADS: `${planned.threads}` };
    const supervised = await superviseService<Ready>({
      label: planned.label,
      signal,
      events,
      onGivenUp,
      start: async (at, startSignal) => {
        const child = await startChildService({
          label: planned.label,
          command: program.command,
          args: [
            ...program.args,
            ...planned.args,
            ...flags({ grpc: at?.grpc ?? '127.0.0.1:0', metrics: at?.metrics ?? '127.0.0.1:0' }),
            ...(at?.http === undefined ? [] : flags({ http: at.http })),
          ],
          env: childEnvironment(process.env, { ...program.env, ...threads }, planned.variables),
          logFile: join(logs, `${planned.label}.log`),
          readyTimeoutMs: isPython ? pythonReadyTimeoutMs : readyTimeoutMs,
          guardian,
          signal: startSignal,
        });
        return { pid: child.pid, addresses: child.ready, exited: child.exited, stop: child.stop };
      },
    });
    services.push({ supervised, service: planned.service });
    events.started(planned.label, supervised.addresses);
    return supervised;
  };

  /** Side by side; when one fails the others are awaited, so that nothing is left behind unknown. */
  const startAll = async (planned: readonly PlannedService[]): Promise<Supervised[]> => {
    const outcomes = await Promise.allSettled(planned.map((each) => start(each)));
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw errorFrom(outcome.reason);
      return outcome.value;
    });
  };

  let nats: Supervised | undefined;
  const stop = async (graceMs: number): Promise<void> => {
    const phase = async (names: readonly string[]): Promise<void> => {
      const chosen = services.filter(({ service }) => names.includes(service));
      await Promise.all(chosen.map(({ supervised }) => supervised.stop(graceMs)));
    };
    await phase(['rollout']);
    await phase(['coordinator']);
    await phase(['policy', 'engine', 'learner', 'retrieval', 'reward']);
    await phase(['scripted-judge']);
    await nats?.stop(graceMs);
    guardian.release();
    await releaseHome(home);
  };

  try {
    await mkdir(logs, { recursive: true });
    nats = await superviseService<Ready>({
      label: 'nats',
      signal,
      events,
      onGivenUp,
      start: (at, startSignal) => startNats({ home, at, guardian, signal: startSignal }),
    });
    services.push({ supervised: nats, service: 'nats' });
    const natsUrl = `nats://${nats.addresses.nats ?? ''}`;
    file = { ...file, natsUrl };
    events.started('nats', nats.addresses);
    await publishFile();

    const judges = await startAll(planScriptedJudges(inputs));
    const judgeAddresses = new Map(judges.map(({ label, addresses }) => [label, addresses.http ?? '']));
    const judged = withScriptedJudges(inputs, judgeAddresses);
    await startAll(planBase(judged).filter(({ service }) => training || service !== 'learner'));
    const at = (service: string): string => {
      const found = services.find((each) => each.service === service)?.supervised.addresses.grpc;
      if (found === undefined)
        throw new TransientError('unavailable', `${service} names no gRPC address in its ready line`);
      return found;
    };
    const engines = services.flatMap(({ service, supervised }) =>
      service === 'engine' ? [supervised.addresses.grpc ?? ''] : [],
    );
    await startAll([planPolicy(inputs, engines)]);
    await publishFile();
    await startAll(
      planTop(inputs, {
        natsUrl,
        fleetId: randomUUID(),
        policy: at('policy'),
        retrieval: at('retrieval'),
        reward: at('reward'),
        ...(training && { learner: at('learner') }),
      }),
    );
    await publishFile();
  } catch (thrown) {
    await stop(5_000);
    throw signal.aborted ? cancelledFrom(signal.reason) : errorFrom(thrown);
  }
  return {
    get file() {
      return file;
    },
    failed: failure.signal,
    stop,
  };
}
