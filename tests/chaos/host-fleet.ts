import { join } from 'node:path';
import { mkdir, writeFile } from 'node:fs/promises';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { resolvedRecipeJson, resolveRecipe } from '#recipe/resolve-recipe.ts';
import { describeExit, startChildService } from '../../services/fleet/child-service.ts';
import type { ChildService } from '../../services/fleet/child-service.ts';
import { planBase, planPolicy, planTop } from '../../services/fleet/fleet-plan.ts';
import type { PlannedService } from '../../services/fleet/planned-service.ts';
import { startGuardian } from '#platform/runtime/guardian.ts';
import { planScriptedJudges, withScriptedJudges } from '../../services/fleet/scripted-judges.ts';
import { childEnvironment, programOf } from '../../services/fleet/service-programs.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { loadRecipe, prepareInputs } from '../../services/cli/run/prepare-inputs.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';

/** Where a process runs: an address to serve at, and what its command line begins with. */
export interface Host {
  readonly ip: string;
  readonly command: readonly string[];
}

export const thisHost: Host = { ip: '127.0.0.1', command: [] };

/** Services that take paths from callers, and elsewhere only those below their roots. */
const namesPaths = new Set(['engine', 'learner', 'coordinator']);

export interface HostFleetOptions {
  readonly recipe: string;
  readonly runId: string;
  readonly directory: string;
  readonly natsUrl: string;
  /** Flags that every service of NATS gets. */
  readonly natsFlags?: readonly string[];
  readonly hostOf: (label: string) => Host;
  /** The checkout whose code the services run; this one when absent. */
  readonly checkout?: string;
  readonly signal: AbortSignal;
}

/** How long a service took to be replaced, in milliseconds. */
export interface Replacement {
  readonly label: string;
  /** When it was asked to stop, in Unix milliseconds. */
  readonly atMs: number;
  /** From SIGTERM to the end of the process. */
  readonly drainedMs: number;
  /** From the start of the next process to its ready line. */
  readonly startedMs: number;
}

/** The services of a recipe on several hosts, with NATS made by the caller and nobody who starts the dead again. */
export interface HostFleet extends AsyncDisposable {
  /** In the order in which they were started. */
  readonly labels: readonly string[];
  submit(): Promise<void>;
  /** SIGTERM, then the code of another checkout at the same addresses. Throws when the service does not drain by itself. */
  replace(label: string, checkout: string): Promise<Replacement>;
  /** SIGKILL to all of them at once: a machine that is lost. */
  lose(labels: readonly string[]): Promise<void>;
}

/** Longer than any service takes to drain: one that does not is a finding. */
const drainTimeoutMs = 60_000;

interface Member {
  readonly planned: PlannedService;
  readonly child: ChildService;
}

/** A copy without the field at this path. */
function without(recipe: object, path: string): object {
  const copy = structuredClone(recipe);
  const keys = path.split('.');
  const parent = keys
    .slice(0, -1)
    .reduce<unknown>((at, key) => (isObject(at) ? Reflect.get(at, key) : undefined), copy);
  if (!isObject(parent) || !Reflect.has(parent, keys.at(-1) ?? '')) throw new TypeError(`the recipe has no ${path}`);
  Reflect.deleteProperty(parent, keys.at(-1) ?? '');
  return copy;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

export async function startHostFleet(options: HostFleetOptions): Promise<HostFleet> {
  const { directory, runId, hostOf, signal } = options;
  await mkdir(join(directory, 'logs'), { recursive: true });
  const file = join(directory, 'recipe.yaml');
  await writeFile(file, options.recipe);
  const loaded = await loadRecipe(file);
  const paths = await prepareInputs(loaded, directory);
  const inputs = { recipe: loaded.recipe, paths };
  const guardian = startGuardian();
  const members = new Map<string, Member>();

  /** What an older checkout does not know is left out, as its own command line had it not. */
  async function startAt(
    planned: PlannedService,
    checkout: string,
    grpc: string,
    http?: string,
  ): Promise<ChildService> {
    try {
      return await startWith(planned, checkout, grpc, http);
    } catch (thrown) {
      const unknown =
        checkout === repositoryRoot ? undefined : /unknown flag '(--[a-z-]+)'/.exec(errorFrom(thrown).message)?.[1];
      const at = unknown === undefined ? -1 : planned.args.indexOf(unknown);
      if (at === -1) throw thrown;
      return await startAt({ ...planned, args: planned.args.toSpliced(at, 2) }, checkout, grpc, http);
    }
  }

  async function startWith(
    planned: PlannedService,
    checkout: string,
    grpc: string,
    http?: string,
  ): Promise<ChildService> {
    const { label, service, program, args } = planned;
    const host = hostOf(label);
    const { command, args: own, env } = programOf(program ?? service);
    const there = (text: string): string => text.replaceAll(repositoryRoot, checkout);
    const [first, ...rest] = [...host.command, command];
    return await startChildService({
      label,
      command: first,
      args: [
        ...rest,
        ...own.map(there),
        ...args,
        ...(service === 'rollout' || service === 'coordinator' ? (options.natsFlags ?? []) : []),
        '--grpc',
        grpc,
        ...(http === undefined ? [] : ['--http', http]),
        '--metrics',
        '127.0.0.1:0',
        ...(host.ip === thisHost.ip ? [] : ['--insecure-remote']),
        ...(host.ip !== thisHost.ip && namesPaths.has(service) ? ['--roots', `${directory},${repositoryRoot}`] : []),
      ],
      env: childEnvironment(
        process.env,
        Object.fromEntries(Object.entries(env).map(([key, value]) => [key, there(value)])),
      ),
      logFile: join(directory, 'logs', `${label}.log`),
      readyTimeoutMs: 180_000,
      guardian,
      signal,
    });
  }

  async function start(planned: PlannedService): Promise<ChildService['ready']> {
    const grpc = `${hostOf(planned.label).ip}:${await lastingPort()}`;
    const child = await startAt(planned, options.checkout ?? repositoryRoot, grpc);
    members.set(planned.label, { planned, child });
    return child.ready;
  }

  const member = (label: string): Member => {
    const found = members.get(label);
    if (found === undefined) throw new TypeError(`there is no ${label}; there are ${[...members.keys()].join(', ')}`);
    return found;
  };

  async function replace(label: string, checkout: string): Promise<Replacement> {
    const { planned, child } = member(label);
    const atMs = Date.now();
    await child.stop(drainTimeoutMs);
    const drainedMs = Date.now() - atMs;
    const exit = await child.exited;
    if (exit.code !== 0)
      throw new TransientError(
        'unavailable',
        `${label} did not drain within ${drainTimeoutMs / 1000} s: ${describeExit(exit)}`,
      );
    const startMs = Date.now();
    const next = await startAt(planned, checkout, child.ready.grpc ?? '', child.ready.http);
    members.set(label, { planned, child: next });
    return { label, atMs, drainedMs, startedMs: Date.now() - startMs };
  }

  async function lose(labels: readonly string[]): Promise<void> {
    const lost = labels.map((label) => member(label).child);
    for (const { kill } of lost) kill();
    await Promise.all(lost.map(({ exited }) => exited));
  }

  async function startGrpc(planned: PlannedService): Promise<string> {
    const { grpc } = await start(planned);
    if (grpc === undefined) throw new TransientError('unavailable', `${planned.label} serves no gRPC`);
    return grpc;
  }

  async function stop(): Promise<void> {
    await Promise.all([...members.values()].map(({ child }) => child.stop(5_000)));
    guardian.release();
  }

  try {
    const judges = new Map<string, string>();
    for (const planned of planScriptedJudges(inputs)) judges.set(planned.label, (await start(planned)).http ?? '');
    const base = new Map<string, string>();
    const engines: string[] = [];
    for (const planned of planBase(withScriptedJudges(inputs, judges))) {
      const address = await startGrpc(planned);
      base.set(planned.service, address);
      if (planned.service === 'engine') engines.push(address);
    }
    const at = (service: string): string => base.get(service) ?? '';
    const policy = await startGrpc(planPolicy(inputs, engines));
    const top = planTop(inputs, {
      fleetId: 'chaos',
      natsUrl: options.natsUrl,
      policy,
      learner: at('learner'),
      retrieval: at('retrieval'),
      reward: at('reward'),
    });
    const addresses: string[] = [];
    for (const planned of top) addresses.push(await startGrpc(planned));
    return {
      labels: [...members.keys()],
      replace,
      lose,
      async submit() {
        const client = createGrpcClient(CoordinatorService, addresses[0] ?? '', { timeoutMs: 120_000 });
        const submitKnown = async (recipe: object): Promise<void> => {
          try {
            const request = {
              runId,
              recipeJson: JSON.stringify(recipe),
              directory: join(directory, runId),
              resume: false,
            };
            await client.submitRun(request, { signal });
          } catch (thrown) {
            const { message } = errorFrom(thrown);
            const unknown =
              options.checkout === undefined ? undefined : /recipe_json: (\S+): unknown key/.exec(message)?.[1];
            if (unknown === undefined) throw thrown;
            await submitKnown(without(recipe, `recipe.${unknown}`));
          }
        };
        await submitKnown(JSON.parse(resolvedRecipeJson(resolveRecipe(loaded.recipe, file, paths))));
        client.close();
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
