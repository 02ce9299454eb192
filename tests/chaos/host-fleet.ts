import { join } from 'node:path';
import { mkdir, writeFile } from 'node:fs/promises';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { TransientError } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { resolvedRecipeJson, resolveRecipe } from '#recipe/resolve-recipe.ts';
import { startChildService } from '../../services/fleet/child-service.ts';
import type { ChildService } from '../../services/fleet/child-service.ts';
import { planBase, planPolicy, planTop } from '../../services/fleet/fleet-plan.ts';
import type { PlannedService } from '../../services/fleet/planned-service.ts';
import { startGuardian } from '#platform/runtime/guardian.ts';
import { planScriptedJudges, withScriptedJudges } from '../../services/fleet/scripted-judges.ts';
import { childEnvironment, programOf } from '../../services/fleet/service-programs.ts';
import { loadRecipe, prepareInputs } from '../../services/cli/run/prepare-inputs.ts';

/** Where a process runs: an address to serve at, and what its command line begins with. */
export interface Host {
  readonly ip: string;
  readonly command: readonly string[];
}

export const thisHost: Host = { ip: '127.0.0.1', command: [] };

export interface HostFleetOptions {
  readonly recipe: string;
  readonly runId: string;
  readonly directory: string;
  readonly natsUrl: string;
  /** Flags that every service of NATS gets. */
  readonly natsFlags?: readonly string[];
  readonly hostOf: (label: string) => Host;
  readonly signal: AbortSignal;
}

/** The services of a recipe on several hosts, with NATS made by the caller and nobody who starts the dead again. */
export interface HostFleet extends AsyncDisposable {
  submit(): Promise<void>;
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
  const children: ChildService[] = [];

  async function start({ label, service, program, args }: PlannedService): Promise<ChildService['ready']> {
    const host = hostOf(label);
    const { command, args: own, env } = programOf(program ?? service);
    const [first, ...rest] = [...host.command, command];
    const child = await startChildService({
      label,
      command: first,
      args: [
        ...rest,
        ...own,
        ...args,
        ...(service === 'rollout' || service === 'coordinator' ? (options.natsFlags ?? []) : []),
        '--grpc',
        `${host.ip}:0`,
        '--metrics',
        '127.0.0.1:0',
        ...(host.ip === thisHost.ip ? [] : ['--insecure-remote']),
      ],
      env: childEnvironment(process.env, env),
      logFile: join(directory, 'logs', `${label}.log`),
      readyTimeoutMs: 180_000,
      guardian,
      signal,
    });
    children.push(child);
    return child.ready;
  }

  async function startGrpc(planned: PlannedService): Promise<string> {
    const { grpc } = await start(planned);
    if (grpc === undefined) throw new TransientError('unavailable', `${planned.label} serves no gRPC`);
    return grpc;
  }

  async function stop(): Promise<void> {
    await Promise.all(children.map((child) => child.stop(5_000)));
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
      async submit() {
        const client = createGrpcClient(CoordinatorService, addresses[0] ?? '', { timeoutMs: 120_000 });
        const recipeJson = resolvedRecipeJson(resolveRecipe(loaded.recipe, file, paths));
        await client.submitRun({ runId, recipeJson, directory: join(directory, runId), resume: false }, { signal });
        client.close();
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
