import { access, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { sleep } from '#platform/async/sleep.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { isStored } from '#artefacts/location.ts';
import { needsRetrieval } from '#recipe/environment-part.ts';
import { canonicalJson, locateEnvironment, locateInputs } from '#recipe/resolve-recipe.ts';
import type { RecipePaths, RewardPaths } from '#recipe/resolve-recipe.ts';
import { isLocked } from '#platform/runtime/file-lock.ts';
import { needsLearner } from '#stages/kit/kinds.ts';
import { processIdentitySchema, stateOf } from '#platform/runtime/process-identity.ts';
import type { FleetInputs } from './planned-service.ts';
import { rewardConfigOf } from './reward-plan.ts';
import { prometheusTargets } from './prometheus-targets.ts';

/**
 * <home>/fleet.json: what runs here, for other commands to find. Removed when the fleet ends. It describes a fleet and is no
 * proof of one: that is the lock of `claim-home.ts`.
 */
const fleetFileSchema = z.object({
  format: z.literal(2),
  /** Starts the services and keeps them running; holds the lock. */
  supervisor: processIdentitySchema,
  /** ISO 8601. */
  startedAt: z.string(),
  /** `up` lends the fleet to any run that fits; `run` uses it for one run; a `reader` has only opened the streams. */
  owner: z.enum(['up', 'run', 'reader']),
  recipePath: z.string(),
  /** fleetKey of the inputs: a run with the same key can use this fleet. */
  key: z.string(),
  paths: z.object({
    model: z.string(),
    train: z.string(),
    held_out: z.string(),
    corpus: z.string().exactOptional(),
    environment: z.string().exactOptional(),
    environment_file: z.string().exactOptional(),
    stages: z.record(z.string(), z.string()).exactOptional(),
    scorers: z.record(z.string(), z.string()).exactOptional(),
    judge_keys: z.record(z.string(), z.string()).exactOptional(),
    judge_caches: z.record(z.string(), z.string()).exactOptional(),
  }),
  /** What its services loaded, by content: a file that changed since is not what they hold. */
  inputs: z.array(z.object({ name: z.string(), path: z.string(), digest: z.string(), bytes: z.number() })).default([]),
  logs: z.string(),
  natsUrl: z.string(),
  /** Directory of its certificates; absent: connections are plain. */
  credentials: z.string().exactOptional(),
  /** Bound addresses and process ids, in the order of starting; empty while it starts. */
  services: z.array(
    z.object({
      label: z.string(),
      service: z.string(),
      pid: z.int(),
      grpc: z.string().optional(),
      metrics: z.string().optional(),
      nats: z.string().optional(),
    }),
  ),
  /** Every process that the supervisor has started and that has not ended: what is left when it is killed. Each leads a process group. */
  processes: z.array(processIdentitySchema),
});
export type FleetFile = z.infer<typeof fleetFileSchema>;

function fleetFilePath(home: string): string {
  return join(home, 'fleet.json');
}

function targetsPath(home: string): string {
  return join(home, 'prometheus.json');
}

/** What decides whether a recipe can run on a fleet: model, data, retrieval, judges and custom scorers, and the fleet itself. */
export function fleetKey(
  { recipe, paths }: Pick<FleetInputs, 'recipe'> & { paths: Partial<Pick<RecipePaths, 'model'>> & RewardPaths },
  recipeFile: string,
): string {
  const { fleet } = recipe;
  const retrieval = needsRetrieval(recipe) ? recipe.retrieval : null;
  const { environment_file: environmentFile = null } = locateEnvironment(recipe, recipeFile);
  // Two recipes of the same text in different folders name different files.
  // Fresh weights are made for each fleet or run, from the same files.
  const { data, model: given } = locateInputs(recipe, { file: recipeFile });
  const { weights, endpoint } = recipe.model;
  // One of a store is the same wherever it was fetched to.
  const own = isStored(given ?? '') ? given : paths.model;
  const model = endpoint ?? (weights === undefined ? own : { given, weights });
  const reward = rewardConfigOf(recipe, paths);
  return createHash('sha256')
    .update(
      canonicalJson({
        model,

        data,
        environmentFile,
        environmentLimits: recipe.environment.limits ?? null,
        retrieval,
        fleet,
        reward,
        learner: needsLearner(recipe),
      }),
    )
    .digest('hex');
}

/** Held by the supervisor of a home's fleet for as long as it lives. */
export function lockPath(home: string): string {
  return join(home, 'fleet.lock');
}

/** A fleet that starts or ends has no file for a moment, and one whose file was damaged writes it again. */
const fileMs = 5_000;

/** The live fleet of `home`, or undefined when there is none, whatever its file says. */
export async function readFleetFile(home: string): Promise<FleetFile | undefined> {
  const untilMs = performance.now() + fileMs;
  while (await isLocked(lockPath(home))) {
    const fleet = await readRecordedFleet(home);
    if (fleet !== undefined && stateOf(fleet.supervisor) !== 'gone') return fleet;
    if (performance.now() >= untilMs) throw fleetUnknown(home, fleet);
    await sleep(100, undefined);
  }
  return undefined;
}

/** `fleet` is what the file says of another one. */
function fleetUnknown(home: string, fleet: FleetFile | undefined): TransientError {
  const path = fleetFilePath(home);
  return new TransientError(
    'unavailable',
    fleet === undefined
      ? `a fleet runs in ${home}, and ${path} is missing or damaged; the fleet writes it again within seconds unless the disk is full: look at that`
      : `a fleet runs in ${home}, and ${path} still describes one that has ended (process ${fleet.supervisor.pid}); it may run on another machine or as another user, or the disk is full: stop it there, or make room`,
  );
}

/** What the file says, whether true or not. Undefined when it is missing, empty, cut or of another version. */
export async function readRecordedFleet(home: string): Promise<FleetFile | undefined> {
  let text: string;
  try {
    text = await readFile(fleetFilePath(home), 'utf8');
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error.code === 'not_found') return undefined;
    throw error;
  }
  try {
    return fleetFileSchema.parse(JSON.parse(text));
  } catch {
    // The lock says whether a fleet lives, not this file.
    return undefined;
  }
}

/** Also when it says nothing. */
export async function hasFleetFile(home: string): Promise<boolean> {
  return await access(fleetFilePath(home)).then(
    () => true,
    () => false,
  );
}

/** True when the file on disk is this one, to the letter. */
export async function saysOnDisk(home: string, fleet: FleetFile): Promise<boolean> {
  return (await readFile(fleetFilePath(home), 'utf8').catch(() => '')) === textOf(fleet);
}

function textOf(fleet: FleetFile): string {
  return JSON.stringify(fleet, undefined, 2);
}

export async function writeFleetFile(home: string, fleet: FleetFile): Promise<void> {
  // First: while the fleet file does not say what it should, both are written again.
  await replaceFile(targetsPath(home), prometheusTargets(fleet.services, fleet.credentials !== undefined));
  await replaceFile(fleetFilePath(home), textOf(fleet));
}

/** Whole or not at all, also when the disk is full or we are killed meanwhile. */
async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.draft`;
  await writeFile(draft, text);
  await rename(draft, path);
}

export async function removeFleetFile(home: string): Promise<void> {
  for (const path of [targetsPath(home), fleetFilePath(home)]) {
    await rm(`${path}.draft`, { force: true });
    await rm(path, { force: true });
  }
}
